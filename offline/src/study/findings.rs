//! What came of a study's jobs, and the report on it.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::evaluate::Answers;
use crate::report::{AssembleOptions, DataSummary, FitSummary, Report, assemble};
use crate::split::Split;

/// Answers, and how the networks were fitted that gave them.
#[derive(Debug, Default)]
pub struct Findings {
    pub(super) answers: Vec<Answers>,
    pub(super) fits: Vec<FitSummary>,
}

impl Findings {
    /// Takes in all answers that lie in a folder and below it, in the order of the paths, with the fits beside them.
    ///
    /// # Errors
    /// Where there are none, or they are not whole.
    pub fn take_in(&mut self, folder: &Path) -> Result<()> {
        let mut paths = Vec::new();
        collect(folder, &mut paths)?;
        if paths.is_empty() {
            return Err(Error::input(
                folder,
                "no answers-*.safetensors in it",
                "a folder of hmisr fit or of --runs",
            ));
        }
        let found = paths.iter().map(|path| Answers::load(path)).collect::<Result<Vec<_>>>()?;
        for (path, answers) in paths.iter().zip(found) {
            let model = &answers.per_case.model;
            let is_known = self.fits.iter().any(|fit| fit.is_of(model, answers.seed));
            if !is_known {
                self.fits.extend(FitSummary::read(model, path.parent().unwrap_or(Path::new("")))?);
            }
            self.answers.push(answers);
        }
        Ok(())
    }

    /// The report, which `command` makes again.
    ///
    /// # Errors
    /// As [`assemble`].
    pub fn report(self, command: String, split: &Split, options: AssembleOptions) -> Result<Report> {
        Ok(Report {
            command,
            protocol: split.protocol,
            data: DataSummary::new(split),
            models: assemble(split, &self.answers, options)?,
            fits: self.fits,
        })
    }
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let listing =
        |error| Error::input(folder, format!("cannot be read ({error})"), "a folder that can be read");
    let entries: std::io::Result<Vec<_>> = std::fs::read_dir(folder).map_err(listing)?.collect();
    let mut paths: Vec<PathBuf> = entries.map_err(listing)?.iter().map(std::fs::DirEntry::path).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            collect(&path, found)?;
        } else if name.starts_with("answers-") && name.ends_with(".safetensors") {
            found.push(path);
        }
    }
    Ok(())
}
