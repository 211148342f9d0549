//! How a data set is written, and where its files lie.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{CsvColumns, Dataset, csv, movielens, recbole, taobao};
use crate::error::{Error, Result};

const TAOBAO_FILE: &str = "UserBehavior.csv";
const EXPECTED: &str = "ratings.dat with movies.dat, one NAME.inter, UserBehavior.csv or one other .csv file";

/// How a data set is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Format {
    /// What the file names say.
    #[default]
    Auto,
    /// `ratings.dat` and `movies.dat`.
    Movielens,
    /// `NAME.inter` and `NAME.item`.
    Recbole,
    /// `UserBehavior.csv`.
    Taobao,
    /// A CSV file with a header.
    Csv(CsvColumns),
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "auto" => Self::Auto,
            "movielens" => Self::Movielens,
            "recbole" => Self::Recbole,
            "taobao" => Self::Taobao,
            "csv" => Self::Csv(CsvColumns::default()),
            _ => {
                return Err(Error::Setting {
                    field: "format",
                    value: text.to_owned(),
                    expected: "expected auto, movielens, recbole, taobao or csv".to_owned(),
                });
            }
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Movielens => "movielens",
            Self::Recbole => "recbole",
            Self::Taobao => "taobao",
            Self::Csv(_) => "csv",
        })
    }
}

impl Dataset {
    /// Reads a data set: a file, or a folder that holds the format's files.
    ///
    /// # Errors
    /// Where the path is not what the format expects, at the first row that cannot be read, and
    /// where there is no event.
    pub fn load(path: &Path, format: &Format) -> Result<Self> {
        if !path.exists() {
            return Err(Error::input(path, "no such file or folder", EXPECTED));
        }
        match format {
            Format::Auto => match detect(path)? {
                Format::Auto => Err(Error::input(path, "no known data set in it", EXPECTED)),
                found => Self::load(path, &found),
            },
            Format::Movielens => movielens::load(&file(path, "ratings.dat")?, name(path)),
            Format::Recbole => recbole::load(&only(path, "inter")?, name(path)),
            Format::Taobao => taobao::load(&file(path, TAOBAO_FILE)?, name(path)),
            Format::Csv(columns) => csv::load(&only(path, "csv")?, name(path), columns),
        }
    }
}

/// The format that the names of the files tell.
fn detect(path: &Path) -> Result<Format> {
    let is = |name: &str| path.join(name).is_file() || path.file_name().is_some_and(|own| own == name);
    let has = |extension: &str| -> Result<bool> {
        Ok(if path.is_dir() {
            !list(path, extension)?.is_empty()
        } else {
            path.extension().is_some_and(|own| own == extension)
        })
    };
    Ok(if is("ratings.dat") {
        Format::Movielens
    } else if has("inter")? {
        Format::Recbole
    } else if is(TAOBAO_FILE) {
        Format::Taobao
    } else if has("csv")? {
        Format::Csv(CsvColumns::default())
    } else {
        Format::Auto
    })
}

/// The path itself, or the file of this name in it.
fn file(path: &Path, name: &str) -> Result<PathBuf> {
    let file = if path.is_dir() { path.join(name) } else { path.to_owned() };
    if file.is_file() { Ok(file) } else { Err(Error::input(path, format!("no {name} in it"), EXPECTED)) }
}

/// The path itself, or the one file in it with this extension.
fn only(path: &Path, extension: &str) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    match &list(path, extension)?[..] {
        [one] => Ok(one.clone()),
        [] => Err(Error::input(path, format!("no *.{extension} file in it"), EXPECTED)),
        _ => {
            Err(Error::input(path, format!("several *.{extension} files in it"), "one; name the file itself"))
        }
    }
}

fn list(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let listing = |error| Error::io(folder, "listing it", error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(listing)? {
        let path = entry.map_err(listing)?.path();
        if path.is_file() && path.extension().is_some_and(|own| own == extension) {
            files.push(path);
        }
    }
    Ok(files)
}

/// The folder's name, or the file's without its extension.
fn name(path: &Path) -> String {
    let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let stem = if full.is_dir() { full.file_name() } else { full.file_stem() };
    stem.map_or_else(|| "data".to_owned(), |stem| stem.to_string_lossy().into_owned())
}
