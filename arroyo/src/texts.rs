//! The texts to deploy: tables, queries and functions, of this build or of folders.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::api::Udf;
use crate::error::{Error, Result};

/// What stands for Kafka's addresses in tables.
const BROKERS: &str = "${BROKERS}";

/// Texts by name, which is their file's without its ending.
type Texts = BTreeMap<String, String>;

macro_rules! texts {
    ($folder:literal, $ending:literal, $($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../", $folder, "/", $name, ".", $ending)))),+]
    };
}

const TABLES: [(&str, &str); 6] = texts!(
    "sql/tables",
    "sql",
    "category_popularity",
    "events",
    "user_features",
    "user_features_daily",
    "user_features_hourly",
    "user_features_sessions",
);
const QUERIES: [(&str, &str); 5] = texts!(
    "sql/queries",
    "sql",
    "category_popularity",
    "user_features_daily",
    "user_features_hourly",
    "user_features_hourly_raw",
    "user_features_sessions",
);
const UDFS: [(&str, &str); 3] = texts!("udfs", "rs", "diversity", "id63", "id_text");

/// A pipeline as it is to be: what Arroyo is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name, which is its query's file's.
    pub name: String,
    /// Its tables and its query.
    pub query: String,
    /// Its functions by name.
    pub udfs: BTreeMap<String, Udf>,
}

impl Wanted {
    /// The functions' texts, as the API takes them.
    pub fn udfs(&self) -> Vec<Udf> {
        self.udfs.values().cloned().collect()
    }
}

/// The pipelines named, or all but those that stand in the place of another, with `brokers` in their tables.
///
/// # Errors
/// Where a text cannot be read, or names a table or function that is not there, or `brokers` cannot
/// stand in a table, or there is no pipeline of a name: with file and remedy, before anything is sent.
pub fn wanted(
    names: &[String],
    brokers: &str,
    sql: Option<&Path>,
    udfs: Option<&Path>,
) -> Result<Vec<Wanted>> {
    if brokers.is_empty() || brokers.contains(['\'', '\n']) || brokers.contains(char::is_whitespace) {
        return Err(Error::refused(format!(
            "--brokers {brokers:?}: expected host:port[,…] as Arroyo's workers reach Kafka, without quotes or spaces"
        )));
    }
    let (tables, queries) = match sql {
        Some(folder) => (read(&folder.join("tables"), "sql")?, read(&folder.join("queries"), "sql")?),
        None => (built_in(&TABLES), built_in(&QUERIES)),
    };
    let udfs = match udfs {
        Some(folder) => read(folder, "rs")?,
        None => built_in(&UDFS),
    };
    let instead = |name: &String| queries.get(name).and_then(|query| named(query, "instead of"));
    let mut names: Vec<&String> = match names {
        [] => queries.keys().filter(|name| instead(name).is_none()).collect(),
        names => names.iter().collect(),
    };
    // Each once, in the order given.
    let mut known = BTreeSet::new();
    names.retain(|name| known.insert(*name));
    for name in &names {
        if let Some(other) = instead(name).filter(|other| names.iter().any(|name| name == other)) {
            return Err(Error::refused(format!(
                "{name} and {other} write the same rows: deploy one of them"
            )));
        }
    }
    names
        .into_iter()
        .map(|name| {
            let query = queries.get(name).ok_or_else(|| no_such("pipeline", name, &queries))?;
            assemble(name, query, brokers, &tables, &udfs)
        })
        .collect()
}

fn assemble(name: &str, query: &str, brokers: &str, tables: &Texts, udfs: &Texts) -> Result<Wanted> {
    let mut text = String::new();
    for table in listed(name, query, "tables")? {
        let found = tables.get(table).ok_or_else(|| at(name, &no_such("table", table, tables)))?;
        text.push_str(&found.replace(BROKERS, brokers));
        text.push('\n');
    }
    text.push_str(query);
    if let Some(from) = text.find("${") {
        let left: String = text.chars().skip(text[..from].chars().count()).take(40).collect();
        let left = left.lines().next().unwrap_or_default();
        return Err(Error::refused(format!(
            "queries/{name}.sql: nothing is known to put for `{left}`; only {BROKERS}, in a table, is replaced"
        )));
    }
    let functions = listed(name, query, "udfs")?
        .into_iter()
        .map(|udf| {
            let definition = udfs.get(udf).ok_or_else(|| at(name, &no_such("function", udf, udfs)))?;
            Ok((udf.to_owned(), Udf { definition: definition.clone(), language: "rust".to_owned() }))
        })
        .collect::<Result<_>>()?;
    Ok(Wanted { name: name.to_owned(), query: text, udfs: functions })
}

/// What `-- KEY: a, b` among the comments that begin a query names.
fn listed<'a>(name: &str, query: &'a str, key: &str) -> Result<Vec<&'a str>> {
    let found = named(query, key).ok_or_else(|| {
        Error::refused(format!(
            "queries/{name}.sql: its first lines lack `-- {key}: …`, the {key} that it needs"
        ))
    })?;
    Ok(found.split(',').map(str::trim).filter(|word| !word.is_empty()).collect())
}

/// What stands behind `-- KEY:` in those comments.
fn named<'a>(query: &'a str, key: &str) -> Option<&'a str> {
    let comments = query.lines().map_while(|line| line.trim().strip_prefix("--"));
    comments.filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix(':')).map(str::trim).next()
}

fn built_in(texts: &[(&str, &str)]) -> Texts {
    texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// The texts of a folder's files of an ending.
fn read(folder: &Path, ending: &str) -> Result<Texts> {
    let failed = |path: &Path, error: &std::io::Error| Error::refused(format!("{}: {error}", path.display()));
    let mut texts = Texts::new();
    for entry in fs::read_dir(folder).map_err(|error| failed(folder, &error))? {
        let path = entry.map_err(|error| failed(folder, &error))?.path();
        let is_text = path.is_file() && path.extension().is_some_and(|found| found == ending);
        if let (true, Some(name)) = (is_text, path.file_stem().and_then(|stem| stem.to_str())) {
            texts.insert(name.to_owned(), fs::read_to_string(&path).map_err(|error| failed(&path, &error))?);
        }
    }
    match texts.is_empty() {
        true => Err(Error::refused(format!("{}: there is no file *.{ending}", folder.display()))),
        false => Ok(texts),
    }
}

fn no_such(what: &str, name: &str, there: &Texts) -> Error {
    let there: Vec<&str> = there.keys().map(String::as_str).collect();
    Error::refused(format!("there is no {what} {name:?}; there are {}", there.join(", ")))
}

fn at(query: &str, problem: &Error) -> Error {
    Error::refused(format!("queries/{query}.sql: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> std::path::PathBuf {
        Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("..").join(name)
    }

    #[test]
    fn the_build_has_the_texts_of_the_folders() {
        let named = |folder: &str, ending| read(&self::folder(folder), ending).unwrap();
        assert_eq!(built_in(&TABLES), named("sql/tables", "sql"));
        assert_eq!(built_in(&QUERIES), named("sql/queries", "sql"));
        assert_eq!(built_in(&UDFS), named("udfs", "rs"));
    }

    #[test]
    fn a_pipeline_is_its_tables_and_its_query() {
        let all = wanted(&[], "k1:9092,k2:9092", None, None).unwrap();
        let names: Vec<&str> = all.iter().map(|pipeline| pipeline.name.as_str()).collect();
        // The other stands in the place of one of them.
        assert!(
            names.len() == QUERIES.len() - 1 && !names.contains(&"user_features_hourly_raw"),
            "{names:?}"
        );
        let hourly = all.iter().find(|pipeline| pipeline.name == "user_features_hourly").unwrap();
        assert_eq!(hourly.query.matches("CREATE TABLE").count(), 2);
        assert_eq!(hourly.query.matches("bootstrap_servers = 'k1:9092,k2:9092'").count(), 2);
        assert!(hourly.query.trim_end().ends_with("AS windows;"));
        assert_eq!(hourly.udfs.keys().collect::<Vec<_>>(), ["diversity", "id63", "id_text"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let refused = |query: &str, expected: &str| {
            let tables = Texts::from([("t".to_owned(), "CREATE TABLE t".to_owned())]);
            let error = assemble("q", query, "k:1", &tables, &Texts::new()).unwrap_err().to_string();
            assert!(error.starts_with("queries/q.sql: ") && error.contains(expected), "{error}");
        };
        refused("INSERT", "lack `-- tables: …`");
        refused("-- tables: t\nINSERT", "lack `-- udfs: …`");
        refused("-- tables: t, x\n-- udfs:\nINSERT", "no table \"x\"; there are t");
        refused("-- tables: t\n-- udfs: f\nINSERT", "no function \"f\"");
        refused("-- tables: t\n-- udfs:\nINSERT '${TOPIC}'", "`${TOPIC}'`");
        for brokers in ["", "k:9092'", "k:9092, l:9092"] {
            assert!(wanted(&[], brokers, None, None).unwrap_err().to_string().contains("--brokers"));
        }
        let error = wanted(&["nope".to_owned()], "k:1", None, None).unwrap_err().to_string();
        assert!(error.contains("no pipeline \"nope\"; there are category_popularity"), "{error}");
    }
}
