//! `hmisr model diff`.

use std::collections::BTreeMap;
use std::path::Path;

use hmisr_model::settings::{Change, changes};
use hmisr_recommend::Catalogue;
use hmisr_recommend::artifact::{Artifact, Metrics, Published};
use serde::Serialize;
use serde_json::Value;

use crate::failure::Failure;

/// Weights shown, those that moved most.
const SHOWN: usize = 10;

/// What differs between two versions.
#[derive(Debug, Serialize)]
struct Differences {
    one: u64,
    other: u64,
    /// Settings of the model, by path, before and after.
    settings: BTreeMap<String, [Value; 2]>,
    steps: [u64; 2],
    examples: [u64; 2],
    metrics: [Metrics; 2],
    items_added: usize,
    items_removed: usize,
    /// How far weights moved: the norm of the difference over the norm before; none where the shape changed.
    weights: Vec<Moved>,
    /// Names of weights that only one of them has.
    only_one: Vec<String>,
    only_other: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Moved {
    name: String,
    by: Option<f64>,
}

pub fn run(root: &Path, one: u64, other: u64, json: bool) -> Result<(), Failure> {
    let open = |version| {
        let artifact = Artifact::open(root, Some(version))?;
        let published = artifact.published()?;
        Ok::<_, Failure>((artifact.manifest().clone(), published))
    };
    let ((before, one_whole), (after, other_whole)) = (open(one)?, open(other)?);
    let (model_before, model_after) = (serde_json::json!(before.model), serde_json::json!(after.model));
    let both = |Change { path, before, now }: Change<'_>| (path, [before.clone(), now.clone()]);
    let settings = changes(&model_before, &model_after).into_iter().map(both).collect();
    let missing = |from: &Catalogue, of: &Catalogue| {
        from.items().iter().filter(|item| of.row(&item.id).is_none()).count()
    };
    let names = |whole: &Published| -> Vec<String> {
        whole.parameters.list.iter().map(|parameter| parameter.name.clone()).collect()
    };
    let (one_names, other_names) = (names(&one_whole), names(&other_whole));
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|name| !those.contains(name)).cloned().collect()
    };
    let found = Differences {
        one,
        other,
        settings,
        steps: [before.step, after.step],
        examples: [before.examples, after.examples],
        metrics: [before.metrics, after.metrics],
        items_added: missing(&other_whole.catalogue, &one_whole.catalogue),
        items_removed: missing(&one_whole.catalogue, &other_whole.catalogue),
        weights: moved(&one_whole, &other_whole),
        only_one: only(&one_names, &other_names),
        only_other: only(&other_names, &one_names),
    };
    if json {
        println!("{}", serde_json::json!(found));
    } else {
        tell(&found);
    }
    Ok(())
}

fn moved(one: &Published, other: &Published) -> Vec<Moved> {
    let mut moved: Vec<Moved> = Vec::new();
    for parameter in &one.parameters.list {
        let Some(after) = other.parameters.list.iter().find(|after| after.name == parameter.name) else {
            continue;
        };
        let by = (after.shape == parameter.shape).then(|| distance(&parameter.weights, &after.weights));
        moved.push(Moved { name: parameter.name.clone(), by });
    }
    // Items are bound by id: their rows may differ.
    let width = |whole: &Published| whole.items.len() / whole.catalogue.len().max(1);
    let d = width(one);
    if d == width(other) {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for (row, item) in one.catalogue.items().iter().enumerate() {
            if let Some(now) = other.catalogue.row(&item.id) {
                before.extend_from_slice(&one.items[row * d..(row + 1) * d]);
                after.extend_from_slice(&other.items[now as usize * d..(now as usize + 1) * d]);
            }
        }
        moved.push(Moved { name: "items.weights".to_owned(), by: Some(distance(&before, &after)) });
    }
    moved.sort_by(|a, b| b.by.unwrap_or(f64::INFINITY).total_cmp(&a.by.unwrap_or(f64::INFINITY)));
    moved
}

fn distance(before: &[f32], after: &[f32]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let change = norm(&mut before.iter().zip(after).map(|(a, b)| f64::from(b - a)));
    let length = norm(&mut before.iter().map(|a| f64::from(*a)));
    if change == 0.0 { 0.0 } else { change / length.max(f64::MIN_POSITIVE) }
}

fn tell(found: &Differences) {
    println!("from version {} to {}", found.one, found.other);
    println!("steps      {} to {}", found.steps[0], found.steps[1]);
    println!("examples   {} to {}", found.examples[0], found.examples[1]);
    println!("items      {} added, {} removed", found.items_added, found.items_removed);
    let [before, after] = found.metrics;
    if before.rolling.examples > 0 && after.rolling.examples > 0 {
        println!(
            "NDCG@10    {:.4} to {:.4}, prequential",
            before.rolling.model_ndcg, after.rolling.model_ndcg
        );
    }
    if let (Some(before), Some(after)) = (before.validation, after.validation) {
        println!("NDCG@10    {:.4} to {:.4}, validation", before.ndcg, after.ndcg);
    }
    for (path, [before, after]) in &found.settings {
        println!("setting    model.{path}: {before} to {after}");
    }
    for name in &found.only_one {
        println!("weight     {name} is gone");
    }
    for name in &found.only_other {
        println!("weight     {name} is new");
    }
    println!("weights that moved most, by the share of their norm:");
    for moved in found.weights.iter().take(SHOWN) {
        let by = moved.by.map_or_else(|| "another shape".to_owned(), |by| format!("{:.2} %", by * 100.0));
        println!("  {:<40} {by}", moved.name);
    }
}
