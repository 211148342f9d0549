//! What a study adds to a report: comparisons, and the files.

use std::path::Path;

use super::ablation::is_ablation;
use crate::error::{Error, Result};
use crate::measures::{Arm, Curve};
use crate::report::{Report, learning_curves, pareto_curves};

/// HMISR without each of its parts against the whole, as a section of Markdown; none where the report has no HMISR.
pub fn ablation_section(report: &Report) -> Option<String> {
    let ablated = |name: &str| name == "hmisr" || (is_ablation(name) && !name.contains('+'));
    let table = report.comparison("hmisr", ablated)?;
    Some(format!("\n## Ablation\n\nHMISR with one part or loss switched off, against the whole.\n\n{table}"))
}

/// Every model against the one of this name, as a section of Markdown; none where the report has no such model.
pub fn reference_section(report: &Report, name: &str) -> Option<String> {
    let table = report.comparison(name, |model| !is_ablation(model))?;
    Some(format!("\n## Against {name}\n\n{table}"))
}

/// Writes the report into a folder that is there: `report.json`, `report.md` (`markdown` with its pictures),
/// `pareto.svg` and `learning.svg` where there is something to draw.
///
/// # Errors
/// [`Error::Input`] names the file that cannot be written.
pub fn write(folder: &Path, report: &Report, markdown: &str) -> Result<()> {
    let mut markdown = markdown.to_owned();
    let mut curves = Vec::new();
    // Ablations would hide the models.
    let drawn = |name: &str| !is_ablation(name);
    for model in report.models.iter().filter(|model| drawn(&model.name) && !model.pareto.is_empty()) {
        // The published ways, and the one that a server takes.
        let is_drawn = |curve: &&Curve| match curve.objective {
            Arm::MaxSum => false,
            Arm::Likely => true,
            Arm::Mmr | Arm::Determinant | Arm::Calibrated => !curve.personal,
        };
        let drawn = model.pareto.iter().filter(is_drawn);
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
    let json = serde_json::to_string_pretty(report)
        .map_err(|error| Error::input(folder, error.to_string(), "figures that JSON can hold"))?;
    for (name, text) in [("report.json", json.as_str()), ("report.md", &markdown)] {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| {
            Error::input(&path, format!("cannot be written ({error})"), "a folder that can be written")
        })?;
    }
    Ok(())
}
