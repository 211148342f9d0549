//! `hmisr eval`.

pub mod args;
mod models;

use std::path::Path;

use hmisr_offline::report::{
    AssembleOptions, DataSummary, FitSummary, Report, assemble, learning_curves, pareto_curves,
};
use hmisr_recommend::rerank::Objective;

use self::args::EvalArgs;
use self::models::{WITHOUT, models};
use super::experiment::stored;
use crate::failure::Failure;
use crate::stop;

pub fn run(args: EvalArgs, set: &[String]) -> Result<(), Failure> {
    let stop = stop::on_signal()?;
    let split = args.data.split()?;
    if let Some(folder) = &args.report {
        std::fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
    }
    let (mut answers, mut fits) = (Vec::new(), Vec::new());
    for model in models(&args, &split, set)? {
        let Some(found) = model.answers(&args, &split, &stop)? else {
            eprintln!("stopped at {}, seed {}; the same command goes on from there", model.name, model.seed);
            return Ok(());
        };
        answers.extend(found);
        if let Some(folder) = model.run() {
            fits.extend(FitSummary::read(&model.name, folder)?);
        }
    }
    for folder in &args.answers {
        for (place, found) in stored(folder)? {
            let known = fits.iter().any(|fit: &FitSummary| fit.is_of(&found.per_case.model, found.seed));
            if !known {
                fits.extend(FitSummary::read(&found.per_case.model, &place)?);
            }
            answers.push(found);
        }
    }
    let options = AssembleOptions { pareto: args.pareto, mmr_loss: args.mmr_loss };
    let report = Report {
        command: command_line(),
        protocol: args.data.protocol,
        data: DataSummary::new(&split),
        models: assemble(&split, &answers, options)?,
        fits,
    };
    let mut markdown = report.markdown();
    if args.ablate {
        let ablated = |name: &str| name == "hmisr" || (name.starts_with(WITHOUT) && !name.contains('+'));
        if let Some(table) = report.comparison("hmisr", ablated) {
            markdown.push_str(&format!(
                "\n## Ablation\n\nHMISR with one part or loss switched off, against the whole.\n\n{table}"
            ));
        }
    }
    if let Some(name) = &args.reference {
        let Some(table) = report.comparison(name, |model| !model.starts_with(WITHOUT)) else {
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

fn write(folder: &Path, report: &Report, markdown: &str) -> Result<(), Failure> {
    let mut markdown = markdown.to_owned();
    let mut curves = Vec::new();
    // Ablations would hide the models.
    let drawn = |name: &str| !name.starts_with(WITHOUT);
    for model in report.models.iter().filter(|model| drawn(&model.name) && !model.pareto.is_empty()) {
        // The published way, and the one that a server takes.
        let drawn = model.pareto.iter().filter(|curve| curve.objective != Objective::MaxSum);
        curves.extend(drawn.map(|curve| (curve.name(&model.name), curve.points.clone())));
    }
    if !curves.is_empty() {
        pareto_curves(&folder.join("pareto.svg"), &curves)?;
        markdown.push_str("\n![Accuracy against diversity](pareto.svg)\n");
    }
    let learnt: Vec<_> = report.learning().into_iter().filter(|(name, _)| drawn(name)).collect();
    if !learnt.is_empty() {
        learning_curves(&folder.join("learning.svg"), &learnt)?;
        markdown.push_str("\n![Learning](learning.svg)\n");
    }
    let json = serde_json::to_string_pretty(report).map_err(|error| Failure::fault(&error))?;
    for (name, text) in [("report.json", json.as_str()), ("report.md", &markdown)] {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| cannot_write(&path, &error))?;
    }
    eprintln!("report in {}", folder.display());
    Ok(())
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::user(format!("--report: {} cannot be written ({error})", path.display()))
}

/// What was typed; the program and places on this machine by their last names alone.
fn command_line() -> String {
    let last = |argument: String| match Path::new(&argument) {
        path if path.is_absolute() => {
            path.file_name().map_or(argument.clone(), |name| name.to_string_lossy().into_owned())
        }
        _ => argument,
    };
    std::iter::once("hmisr".to_owned())
        .chain(std::env::args().skip(1).map(last))
        .collect::<Vec<_>>()
        .join(" ")
}
