//! `hmisr eval`.

pub mod args;

use std::path::Path;
use std::time::Instant;

use hmisr_offline::measures::LIST;
use hmisr_offline::rank::{Markov, Popularity, Trinity, TrinitySettings};
use hmisr_offline::report::{AssembleOptions, DataSummary, Report, assemble, pareto_curves};
use hmisr_offline::{Answers, CaseSet, EvaluateOptions, Scorer, Split, evaluate};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::args::EvalArgs;
use crate::failure::Failure;

const COUNTING: [&str; 3] = ["popularity", "markov", "trinity"];

pub fn run(args: EvalArgs) -> Result<(), Failure> {
    let split = args.data.split()?;
    if let Some(folder) = &args.report {
        std::fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
    }
    let mut answers = Vec::new();
    for name in models(&args) {
        let begun = Instant::now();
        let mut model = model(name, &split, args.seed)?;
        let fit_seconds = begun.elapsed().as_secs_f64();
        for answer in ask(&args, &split, model.as_mut())? {
            let answer = Answers { fit_seconds, ..answer };
            if let Some(folder) = &args.report {
                let (model, set) = (&answer.per_case.model, answer.set.as_str());
                answer.save(&folder.join(format!("{model}-{}-{set}.safetensors", args.seed)))?;
            }
            answers.push(answer);
        }
    }
    for folder in &args.answers {
        answers.extend(stored(folder)?);
    }
    let options = AssembleOptions { pareto: args.pareto, mmr_loss: args.mmr_loss };
    let report = Report {
        command: command_line(),
        protocol: args.data.protocol,
        data: DataSummary::new(&split),
        models: assemble(&split, &answers, options)?,
    };
    let mut markdown = report.markdown();
    if let Some(name) = &args.reference {
        let Some(table) = report.ablation(name) else {
            let known: Vec<&str> = report.models.iter().map(|model| &model.name[..]).collect();
            let known = known.join(", ");
            return Err(Failure::user(format!(
                "--reference {name}: no such model here; expected one of {known}"
            )));
        };
        markdown.push_str(&format!("\n## Against {name}\n\n{table}"));
    }
    if let Some(folder) = &args.report {
        write(folder, &report, &markdown)?;
    }
    if args.json {
        let json = serde_json::to_string(&report).map_err(|error| Failure::fault(&error))?;
        println!("{json}");
    } else {
        println!("{markdown}");
    }
    Ok(())
}

/// The models to fit here.
fn models(args: &EvalArgs) -> Vec<&str> {
    if args.models.is_empty() && args.answers.is_empty() {
        return COUNTING.to_vec();
    }
    args.models.iter().map(String::as_str).collect()
}

/// Fits a model that counts.
fn model(name: &str, split: &Split, seed: u64) -> Result<Box<dyn Scorer>, Failure> {
    Ok(match name {
        "popularity" => Box::new(Popularity::fit(split)),
        "markov" => Box::new(Markov::fit(split)),
        "trinity" => Box::new(Trinity::fit(split, TrinitySettings { seed, ..Default::default() })),
        _ => {
            let known = COUNTING.join(", ");
            return Err(Failure::user(format!("--models {name}: expected {known}")));
        }
    })
}

/// Asks the model about every set of cases that the report needs.
fn ask(args: &EvalArgs, split: &Split, model: &mut dyn Scorer) -> Result<Vec<Answers>, Failure> {
    let mut answers = Vec::new();
    for set in CaseSet::ALL {
        let cases = split.cases(set);
        let wanted = match set {
            CaseSet::Validation => args.mmr_loss.is_some(),
            CaseSet::Successive => args.successive,
            CaseSet::Test | CaseSet::Adaptation => true,
        };
        if cases.is_empty() || !wanted {
            continue;
        }
        // What is re-ranked needs more candidates than a list has.
        let depth = if set == CaseSet::Successive { LIST } else { EvaluateOptions::default().depth };
        let options = EvaluateOptions { depth, ..Default::default() };
        let bar = bar(model.name(), set, cases.len());
        let per_case = evaluate(split, cases, model, options, |done, _| bar.set_position(done as u64))?;
        bar.finish_and_clear();
        answers.push(Answers {
            set,
            seed: args.seed,
            split: split.fingerprint(),
            fit_seconds: 0.0,
            parameters: None,
            per_case,
        });
    }
    Ok(answers)
}

/// The answers in a folder, in the order of the files' names.
fn stored(folder: &Path) -> Result<Vec<Answers>, Failure> {
    let listing = |error| Failure::user(format!("--answers {}: cannot be read ({error})", folder.display()));
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(listing)? {
        let path = entry.map_err(listing)?.path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        let remedy = "name a folder that --report wrote";
        return Err(Failure::user(format!(
            "--answers {}: no *.safetensors in it; {remedy}",
            folder.display()
        )));
    }
    paths.sort();
    paths.iter().map(|path| Ok(Answers::load(path)?)).collect()
}

fn write(folder: &Path, report: &Report, markdown: &str) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(report).map_err(|error| Failure::fault(&error))?;
    for (name, text) in [("report.json", json.as_str()), ("report.md", markdown)] {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| cannot_write(&path, &error))?;
    }
    let mut curves = Vec::new();
    for model in report.models.iter().filter(|model| !model.pareto.is_empty()) {
        curves.push((model.name.clone(), model.pareto.clone()));
        if !model.pareto_personal.is_empty() {
            curves.push((format!("{}, personal λ", model.name), model.pareto_personal.clone()));
        }
    }
    if !curves.is_empty() {
        pareto_curves(&folder.join("pareto.svg"), &curves)?;
    }
    eprintln!("report in {}", folder.display());
    Ok(())
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::user(format!("--report: {} cannot be written ({error})", path.display()))
}

/// What was typed; the program by its name alone.
fn command_line() -> String {
    std::iter::once("hmisr".to_owned()).chain(std::env::args().skip(1)).collect::<Vec<_>>().join(" ")
}

fn bar(model: &str, set: CaseSet, cases: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(cases as u64), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} cases, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
    .with_message(format!("{model}, {}", set.as_str()))
}
