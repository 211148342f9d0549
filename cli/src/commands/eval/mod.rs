//! `hmisr eval`.

pub mod args;
mod plan;

use std::path::Path;

use hmisr_offline::report::AssembleOptions;
use hmisr_offline::study::{Study, ablation_section, reference_section, write};

use self::args::EvalArgs;
use super::experiment::Terminal;
use crate::failure::Failure;
use crate::stop;

pub fn run(args: EvalArgs, set: &[String]) -> Result<(), Failure> {
    let stop = stop::on_signal()?;
    let split = args.data.split()?;
    if let Some(folder) = &args.report {
        std::fs::create_dir_all(folder).map_err(|error| {
            Failure::user(format!("--report: {} cannot be written ({error})", folder.display()))
        })?;
    }
    let jobs = plan::jobs(&args, &split, set)?;
    let study = Study { split: &split, options: args.cases.options(), stop: &stop };
    let Some(mut findings) = study.run(&jobs, &mut Terminal::default())? else { return Ok(()) };
    for folder in &args.answers {
        findings
            .take_in(folder)
            .map_err(|error| Failure::from(error).map(|text| format!("--answers {text}")))?;
    }
    let options = AssembleOptions { pareto: args.pareto, mmr_loss: args.mmr_loss };
    let report = findings.report(command_line(), &split, options)?;
    let mut markdown = report.markdown();
    if args.ablate {
        markdown.extend(ablation_section(&report));
    }
    if let Some(name) = &args.reference {
        let Some(section) = reference_section(&report, name) else {
            let known: Vec<&str> = report.models.iter().map(|model| &model.name[..]).collect();
            let known = known.join(", ");
            return Err(Failure::user(format!(
                "--reference {name}: no such model here; expected one of {known}"
            )));
        };
        markdown.push_str(&section);
    }
    if let Some(folder) = &args.report {
        write(folder, &report, &markdown)
            .map_err(|error| Failure::from(error).map(|text| format!("--report: {text}")))?;
        eprintln!("report in {}", folder.display());
    }
    if args.json {
        let json = serde_json::to_string(&report).map_err(|error| Failure::fault(&error))?;
        println!("{json}");
    } else {
        println!("{markdown}");
    }
    Ok(())
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
