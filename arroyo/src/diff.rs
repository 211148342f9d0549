//! What differs between a cluster and what is wanted.

use std::collections::BTreeMap;

use serde::Serialize;
use similar::TextDiff;

use crate::cluster::Cluster;
use crate::error::Result;
use crate::plan::Found;
use crate::texts::Wanted;

/// What differs in a pipeline of the cluster.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// Its name.
    pub name: String,
    /// None where the cluster has no such pipeline.
    pub id: Option<String>,
    /// Unified; empty where nothing differs.
    pub diff: String,
}

/// Compares every wanted pipeline with those of its name on the cluster.
///
/// # Errors
/// Where the cluster does not answer.
pub fn differences(cluster: &Cluster<'_>, wanted: &[Wanted]) -> Result<Vec<Difference>> {
    let found = cluster.found()?;
    let mut differences = Vec::new();
    for pipeline in wanted {
        let of_name: Vec<&Found> =
            found.iter().filter(|found| found.pipeline.name == pipeline.name).collect();
        if of_name.is_empty() {
            let diff = difference(pipeline, "", &BTreeMap::new());
            differences.push(Difference { name: pipeline.name.clone(), id: None, diff });
        }
        for Found { pipeline: there, .. } in of_name {
            let udfs = there.udfs.iter().map(|udf| (function(&udf.definition), udf.definition.as_str()));
            let diff = difference(pipeline, &there.query, &udfs.collect());
            differences.push(Difference { name: there.name.clone(), id: Some(there.id.clone()), diff });
        }
    }
    Ok(differences)
}

fn difference(wanted: &Wanted, query: &str, udfs: &BTreeMap<String, &str>) -> String {
    let mut text = unified(&format!("{}.sql", wanted.name), query, &wanted.query);
    let here: BTreeMap<String, &str> =
        wanted.udfs.values().map(|udf| (function(&udf.definition), udf.definition.as_str())).collect();
    let mut names: Vec<&String> = here.keys().chain(udfs.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let text_of = |udfs: &BTreeMap<String, &str>| udfs.get(name).copied().unwrap_or_default().to_owned();
        text.push_str(&unified(&format!("{name}.rs"), &text_of(udfs), &text_of(&here)));
    }
    text
}

fn unified(name: &str, there: &str, here: &str) -> String {
    let diff = TextDiff::from_lines(there, here);
    diff.unified_diff().header(&format!("cluster/{name}"), &format!("here/{name}")).to_string()
}

/// The name of the function that follows the attribute `udf`.
fn function(definition: &str) -> String {
    let after = definition.lines().skip_while(|line| !line.trim_start().starts_with("#[udf")).skip(1);
    let name = after.filter_map(|line| line.split("fn ").nth(1)?.split(['(', '<']).next()).next();
    name.unwrap_or("function").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_told_by_name() {
        let all = crate::texts::wanted(&[], "k:1", None, None).unwrap();
        for (name, udf) in all.iter().flat_map(|pipeline| &pipeline.udfs) {
            assert_eq!(&function(&udf.definition), name);
        }
        assert_eq!(function("no function"), "function");
    }

    #[test]
    fn a_changed_line_is_shown_with_its_file() {
        let name = "category_popularity".to_owned();
        let wanted = crate::texts::wanted(&[name], "k:1", None, None).unwrap().remove(0);
        let udfs: BTreeMap<String, &str> =
            wanted.udfs.iter().map(|(name, udf)| (name.clone(), udf.definition.as_str())).collect();
        assert_eq!(difference(&wanted, &wanted.query, &udfs), "");
        let text = difference(&wanted, &wanted.query.replace("'k:1'", "'k:2'"), &udfs);
        assert!(text.contains("--- cluster/category_popularity.sql"), "{text}");
        assert!(text.contains("-  bootstrap_servers = 'k:2',\n+  bootstrap_servers = 'k:1',"), "{text}");
        let text = difference(&wanted, &wanted.query, &BTreeMap::new());
        assert!(text.contains("+++ here/id_text.rs") && !text.contains(".sql"), "{text}");
    }
}
