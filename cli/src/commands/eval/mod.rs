//! `hmisr eval`.

pub mod args;

use std::path::Path;
use std::time::Instant;

use hmisr_offline::measures::{LIST, adaptation, pareto, related_similarity};
use hmisr_offline::rank::{Markov, Popularity, Trinity, TrinitySettings};
use hmisr_offline::report::{DataSummary, Measures, ModelReport, Report, pareto_curves};
use hmisr_offline::{Case, EvaluateOptions, PerCase, Scorer, Split, evaluate};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::args::EvalArgs;
use crate::failure::Failure;

/// The values of λ on the curve of accuracy against diversity.
const LAMBDAS: [f32; 11] = [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 0.9];

pub fn run(args: EvalArgs) -> Result<(), Failure> {
    let known = |name: &String| args.models.contains(name);
    if let Some(reference) = args.reference.as_ref().filter(|name| !known(name)) {
        return Err(Failure::user(format!("--reference {reference}: is not among --models; add it there")));
    }
    let split = args.data.split()?;
    if let Some(folder) = &args.report {
        std::fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
    }
    let measures = Measures::new(&split);
    let mut models = Vec::new();
    for name in &args.models {
        let begun = Instant::now();
        let mut model = model(name, &split, args.seed)?;
        let fit_seconds = begun.elapsed().as_secs_f64();
        let report = report_model(&args, &split, &measures, model.as_mut())?;
        models.push(ModelReport { fit_seconds, ..report });
    }
    let report = Report {
        command: command_line(),
        protocol: args.data.protocol,
        data: DataSummary::new(&split),
        models,
    };
    let mut markdown = report.markdown();
    if let Some(table) = args.reference.as_ref().and_then(|name| report.ablation(name).map(|t| (name, t))) {
        markdown.push_str(&format!("\n## Against {}\n\n{}", table.0, table.1));
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

/// Fits a model that counts.
fn model(name: &str, split: &Split, seed: u64) -> Result<Box<dyn Scorer>, Failure> {
    Ok(match name {
        "popularity" => Box::new(Popularity::fit(split)),
        "markov" => Box::new(Markov::fit(split)),
        "trinity" => Box::new(Trinity::fit(split, TrinitySettings { seed, ..Default::default() })),
        _ => {
            let known = "expected popularity, markov or trinity";
            return Err(Failure::user(format!("--models {name}: {known}")));
        }
    })
}

/// Asks the model about every set of cases.
fn report_model(
    args: &EvalArgs,
    split: &Split,
    measures: &Measures<'_>,
    model: &mut dyn Scorer,
) -> Result<ModelReport, Failure> {
    let mut ask = |set: &str, cases: &[Case], depth: usize| -> Result<PerCase, Failure> {
        let name = model.name().to_owned();
        let bar = bar(&name, set, cases.len());
        let answers =
            evaluate(split, cases, model, EvaluateOptions { depth, ..Default::default() }, |done, _| {
                bar.set_position(done as u64);
            })?;
        bar.finish_and_clear();
        if let Some(folder) = &args.report {
            answers.save(&folder.join(format!("{name}-{}-{set}.safetensors", args.seed)))?;
        }
        Ok(answers)
    };
    let test = ask("test", &split.test, EvaluateOptions::default().depth)?;
    let successive = (args.successive && !split.successive.is_empty())
        .then(|| ask("successive", &split.successive, LIST))
        .transpose()?;
    let adapted =
        (!split.adaptation.is_empty()).then(|| ask("adaptation", &split.adaptation, LIST)).transpose()?;
    let curve = |personal| pareto(split, measures.tail(), &test, &LAMBDAS, personal);
    let has_score = test.results.iter().any(|result| result.diversity.is_some());
    Ok(ModelReport {
        name: test.model.clone(),
        adaptation: adapted.map(|answers| adaptation(split, &answers)),
        related: related_similarity(&test),
        pareto: if args.pareto { curve(false) } else { Vec::new() },
        pareto_personal: if args.pareto && has_score { curve(true) } else { Vec::new() },
        successive: successive.map(|answers| measures.of(&[(args.seed, answers)])).transpose()?,
        test: measures.of(&[(args.seed, test)])?,
        parameters: None,
        fit_seconds: 0.0,
    })
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

fn bar(model: &str, set: &str, cases: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(cases as u64), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} cases, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
    .with_message(format!("{model}, {set}"))
}
