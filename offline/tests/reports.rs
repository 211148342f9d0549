//! A report holds the figures where machines and people look for them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::collections::BTreeMap;

use crate::common::dataset;
use hmisr_offline::measures::ParetoPoint;
use hmisr_offline::rank::{Markov, Popularity};
use hmisr_offline::report::{
    AssembleOptions, DataSummary, LAMBDAS, Report, assemble, compare, learning_curves, pareto_curves,
};
use hmisr_offline::{Answers, Case, CaseSet, EvaluateOptions, PerCase, Protocol, Scorer, Split, evaluate};

/// Users who walk in a circle over twenty items of five categories; every third step goes astray.
fn circle() -> Split {
    let walk = |user: i64| {
        (0..30).map(move |at| {
            let item = if at % 3 == 0 { user * 7 + at * at } else { user + at };
            ((item % 20) as u32, user * 3 + at * 10)
        })
    };
    let users: Vec<Vec<(u32, i64)>> = (0..40).map(|user| walk(user).collect()).collect();
    let categories: Vec<[u32; 1]> = (0..20).map(|item| [item / 4]).collect();
    let mut data = dataset(&users, &categories.iter().map(|one| &one[..]).collect::<Vec<_>>());
    data.repeats = true;
    Split::new(Protocol::O2, data).unwrap()
}

fn ask(split: &Split, cases: &[Case], model: &mut dyn Scorer) -> PerCase {
    evaluate(split, cases, model, EvaluateOptions::default(), |_, _| {}).unwrap()
}

/// The model's answers to every set of cases.
fn answered(split: &Split, seed: u64, name: &str, model: &mut dyn Scorer) -> Vec<Answers> {
    let one = |set| Answers {
        set,
        seed,
        split: split.fingerprint(),
        fit_seconds: 0.5,
        parameters: Some(7),
        sources: BTreeMap::from([("popularity".to_owned(), 0.25)]),
        per_case: PerCase { model: name.to_owned(), ..ask(split, split.cases(set), model) },
    };
    CaseSet::ALL.map(one).to_vec()
}

fn report(split: &Split) -> Report {
    let mut answers = Vec::new();
    for seed in [1, 2] {
        answers.extend(answered(split, seed, "popularity", &mut Popularity::fit(split)));
        answers.extend(answered(split, seed, "chain", &mut Markov::fit(split)));
    }
    let options = AssembleOptions { pareto: true, mmr_loss: Some(0.05) };
    let models = assemble(split, &answers, options).unwrap();
    Report {
        command: "hmisr eval --data D".to_owned(),
        protocol: split.protocol,
        data: DataSummary::new(split),
        models,
        fits: Vec::new(),
    }
}

#[test]
fn json_has_a_models_figures_by_name() {
    let split = circle();
    let json = serde_json::to_value(report(&split)).unwrap();
    assert_eq!((json["protocol"].as_str(), json["data"]["items"].as_u64()), (Some("o2"), Some(20)));
    let chain = &json["models"]["chain"];
    for figure in
        ["HR", "Recall", "NDCG", "MRR"].iter().flat_map(|m| [5, 10, 20, 50].map(|k| format!("{m}@{k}")))
    {
        let value = chain[&figure].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&value), "{figure}");
        assert_eq!(chain["seeds"]["2"][&figure].as_f64(), Some(value), "{figure}: a model without chance");
    }
    for figure in ["ILD@10", "entropy@10", "tail@10", "coverage@10", "Gini@10"] {
        assert!(chain[figure].is_number() && chain["successive"][figure].is_number(), "{figure}");
    }
    assert_eq!(chain["HR@10"], chain["Recall@10"]);
    assert_eq!(chain["sources"]["popularity"].as_f64(), Some(0.25));
    assert!(chain["NDCG@10"].as_f64() > json["models"]["popularity"]["NDCG@10"].as_f64());
    let [low, high] = [0, 1].map(|at| chain["ci95"]["NDCG@10"][at].as_f64().unwrap());
    assert!(low < chain["NDCG@10"].as_f64().unwrap() && chain["NDCG@10"].as_f64().unwrap() < high);
    assert_eq!(chain["adaptation"]["cases"].as_u64(), json["data"]["adaptation_cases"].as_u64());
}

#[test]
fn tables_name_every_model_and_its_distance_from_a_reference() {
    let split = circle();
    let report = report(&split);
    let text = report.markdown();
    for part in
        ["# small under o2", "    hmisr eval --data D", "| chain |", "target `successive`", "NDCG@10 by seed"]
    {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(text.contains("## Sources\n") && text.contains("| chain | popularity: 0.250 |"), "{text}");
    for table in text.split("\n\n").filter(|part| part.starts_with("| ")) {
        let columns: Vec<usize> = table.lines().map(|line| line.matches('|').count()).collect();
        assert!(columns.iter().all(|&count| count == columns[0]), "{table}");
    }
    let ablation = report.comparison("popularity", |_| true).unwrap();
    let chain = ablation.lines().find(|line| line.starts_with("| chain")).unwrap();
    let found = compare(&report.models[5].test.table, &report.models[0].test.table, "NDCG@10").unwrap();
    assert!(found.paired.difference > 0.0 && found.paired.p < 0.05);
    assert!(chain.contains(&format!("{:+.4}", found.paired.difference)), "{chain}");
    let columns: Vec<usize> = ablation.lines().map(|line| line.matches('|').count()).collect();
    assert!(columns.iter().all(|&count| count == columns[0]), "{ablation}");
    assert_eq!(report.comparison("none", |_| true), None);
}

#[test]
fn re_ranking_costs_no_more_on_validation_than_allowed() {
    let split = circle();
    let report = report(&split);
    let names: Vec<&str> = report.models.iter().map(|model| &model.name[..]).collect();
    let ways = ["", "+mmr", "+msd", "+dpp", "+calibrated"];
    let expected = ["popularity", "chain"].map(|model| ways.map(|way| format!("{model}{way}")));
    assert_eq!(names, expected.as_flattened());
    let (plain, reranked) = (&report.models[5], &report.models[6]);
    assert!(reranked.test.figures["ILD@10"] >= plain.test.figures["ILD@10"]);
    let lambdas = reranked.lambda.as_ref().unwrap();
    assert_eq!(lambdas.keys().collect::<Vec<_>>(), [&1, &2]);
    assert_eq!(plain.pareto.len(), 4, "in four ways");
    assert_eq!(plain.pareto[1].points.len(), LAMBDAS.len());
    assert_eq!(plain.pareto[0].points[0].ndcg, plain.test.seeds[&1]["NDCG@10"]);
}

#[test]
fn answers_that_do_not_fit_are_refused() {
    let split = circle();
    let answers = answered(&split, 1, "chain", &mut Markov::fit(&split));
    let refused = |answers: &[Answers], options| {
        let error = assemble(&split, answers, options).unwrap_err();
        assert!(error.is_users());
        error.to_string()
    };
    let other = Answers { split: "other".to_owned(), ..answers[1].clone() };
    let text = refused(&[other], AssembleOptions::default());
    assert!(text.contains("chain, seed 1, test: are to another data set"), "{text}");
    let twice = [answers[1].clone(), answers[1].clone()];
    assert!(refused(&twice, AssembleOptions::default()).contains("given twice"));
    let rerank = AssembleOptions { pareto: false, mmr_loss: Some(0.1) };
    assert!(refused(&answers[1..2], rerank).contains("seed 1 to the validation cases too"));
    let mut seen = split.clone();
    seen.filter_seen = true;
    assert_ne!(seen.fingerprint(), split.fingerprint());
    assert_eq!(circle().fingerprint(), split.fingerprint());
}

#[test]
fn curves_are_drawn_with_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("curve.svg");
    let point = |x: f64| ParetoPoint { lambda: 0.0, hr: 0.0, ndcg: 0.1 - x * x, ild: 0.5 + x };
    let curves = [("one".to_owned(), vec![point(0.0), point(0.1)]), ("two".to_owned(), vec![point(0.2)])];
    pareto_curves(&path, &curves).unwrap();
    let svg = std::fs::read_to_string(&path).unwrap();
    assert_eq!(svg.matches("<circle").count(), 5, "three points and two marks of the legend");
    assert!(["one", "two", "ILD@10", "NDCG@10"].iter().all(|word| svg.contains(word)));
    learning_curves(&path, &[("m".to_owned(), vec![(1.0, 0.1), (2.0, 0.1)])]).unwrap();
    assert!(learning_curves(&path, &[]).unwrap_err().to_string().contains("no point to draw"));
}
