//! From stored answers to a model's part of a report.

use std::collections::BTreeMap;

use super::{Measures, ModelReport};
use crate::error::{Error, Result};
use crate::evaluate::{Answers, PerCase};
use crate::measures::{Arm, Curve, Lambda, adaptation, pareto, related_similarity, rerank, select_lambda};
use crate::split::{CaseSet, Split};

/// The values of λ on the curve of accuracy against diversity.
pub const LAMBDAS: [f32; 11] = [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 0.9];

/// What is made of the answers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AssembleOptions {
    /// Re-rank over [`LAMBDAS`], for curves.
    pub pareto: bool,
    /// Add each model re-ranked with one λ: the one of the greatest ILD@10 whose NDCG@10 on the
    /// validation cases is at most this share lower. Where the model gives diversity scores, λ is
    /// their multiple.
    pub mmr_loss: Option<f64>,
}

/// Reports of all models that answered the test cases, in the order in which the answers name them.
///
/// # Errors
/// Where answers are to another split, where a seed answered a set twice, where seeds answered
/// different cases, and where re-ranking is asked for without answers to the validation cases.
pub fn assemble(split: &Split, answers: &[Answers], options: AssembleOptions) -> Result<Vec<ModelReport>> {
    let fingerprint = split.fingerprint();
    let measures = Measures::new(split);
    let mut names: Vec<&str> = Vec::new();
    for one in answers {
        let problem = |problem: String| Error::Setting {
            field: "answers",
            value: format!("{}, seed {}, {}", one.per_case.model, one.seed, one.set.as_str()),
            expected: problem,
        };
        if one.split != fingerprint {
            let data = format!("are to another data set, protocol or filter than {}", split.data.name);
            return Err(problem(format!("{data}; leave them out")));
        }
        let same = |other: &&Answers| {
            (&other.per_case.model, other.seed, other.set) == (&one.per_case.model, one.seed, one.set)
        };
        if answers.iter().filter(same).count() > 1 {
            return Err(problem("are given twice; leave one out".to_owned()));
        }
        if !names.contains(&&one.per_case.model[..]) {
            names.push(&one.per_case.model);
        }
    }
    let mut reports = Vec::new();
    for name in names {
        let of_model = || answers.iter().filter(|one| one.per_case.model == name);
        if of_model().any(|one| one.set == CaseSet::Test) {
            let model = Model { split, measures: &measures, name, answers: of_model().collect() };
            reports.push(model.report(options)?);
            if let Some(loss) = options.mmr_loss {
                for arm in model.arms() {
                    reports.push(model.reranked(*arm, loss)?);
                }
            }
        }
    }
    Ok(reports)
}

/// The answers of one model.
struct Model<'a> {
    split: &'a Split,
    measures: &'a Measures<'a>,
    name: &'a str,
    answers: Vec<&'a Answers>,
}

impl Model<'_> {
    fn of(&self, set: CaseSet) -> BTreeMap<u64, &PerCase> {
        self.answers.iter().filter(|one| one.set == set).map(|one| (one.seed, &one.per_case)).collect()
    }

    fn report(&self, options: AssembleOptions) -> Result<ModelReport> {
        let test = self.of(CaseSet::Test);
        let successive = self.of(CaseSet::Successive);
        let first = test.values().next().copied();
        let adapted = self.of(CaseSet::Adaptation);
        let fits = self.answers.iter().filter(|one| one.set == CaseSet::Test).map(|one| one.fit_seconds);
        Ok(ModelReport {
            name: self.name.to_owned(),
            test: self.measures.of(&test)?,
            successive: (!successive.is_empty()).then(|| self.measures.of(&successive)).transpose()?,
            adaptation: adapted.values().next().map(|one| adaptation(self.split, one)),
            related: first.and_then(related_similarity),
            pareto: first.filter(|_| options.pareto).map(|one| self.curves(one)).unwrap_or_default(),
            lambda: None,
            parameters: self.answers.iter().find_map(|one| one.parameters),
            sources: self.answers.first().map(|one| one.sources.clone()).unwrap_or_default(),
            fit_seconds: fits.sum::<f64>() / test.len() as f64,
        })
    }

    /// Accuracy against diversity, re-ranked in each way, also with personal λ where there are scores.
    fn curves(&self, answers: &PerCase) -> Vec<Curve> {
        let personal = if self.scores() { &[false, true][..] } else { &[false] };
        let ways = self.arms().iter().flat_map(|way| personal.iter().map(move |personal| (*way, *personal)));
        let curve =
            |(way, personal)| pareto(self.split, self.measures.tail(), answers, &LAMBDAS, way, personal);
        ways.map(curve).collect()
    }

    /// The model re-ranked, λ selected by the validation cases of each seed.
    fn reranked(&self, arm: Arm, loss: f64) -> Result<ModelReport> {
        let validation = self.of(CaseSet::Validation);
        let personal = self.scores();
        let mut lambdas = BTreeMap::new();
        for seed in self.of(CaseSet::Test).keys() {
            let Some(answers) = validation.get(seed) else {
                return Err(Error::Setting {
                    field: "mmr_loss",
                    value: loss.to_string(),
                    expected: format!(
                        "{} needs answers of seed {seed} to the validation cases too",
                        self.name
                    ),
                });
            };
            let curve = pareto(self.split, self.measures.tail(), answers, &LAMBDAS, arm, personal);
            lambdas.insert(*seed, select_lambda(&curve.points, loss).map_or(0.0, |point| point.lambda));
        }
        let reranked = |set| -> BTreeMap<u64, PerCase> {
            let lambda = |seed| {
                let value = lambdas.get(&seed).copied().unwrap_or(0.0);
                if personal { Lambda::Personal { most: value } } else { Lambda::Fixed(value) }
            };
            self.of(set)
                .into_iter()
                .map(|(seed, one)| (seed, rerank(self.split, one, arm, lambda(seed))))
                .collect()
        };
        let (test, adapted) = (reranked(CaseSet::Test), reranked(CaseSet::Adaptation));
        let test_of = test.iter().map(|(seed, one)| (*seed, one)).collect();
        Ok(ModelReport {
            name: format!("{}+{}", self.name, arm.suffix()),
            test: self.measures.of(&test_of)?,
            successive: None,
            adaptation: adapted.values().next().map(|one| adaptation(self.split, one)),
            related: None,
            pareto: Vec::new(),
            lambda: Some(lambdas),
            parameters: None,
            sources: BTreeMap::new(),
            fit_seconds: 0.0,
        })
    }

    fn arms(&self) -> &'static [Arm] {
        Arm::of(self.answers.iter().all(|one| one.per_case.likelihoods))
    }

    /// Whether the model gives diversity scores.
    fn scores(&self) -> bool {
        let results = self.answers.iter().flat_map(|one| one.per_case.results.first());
        results.into_iter().any(|result| result.diversity.is_some())
    }
}
