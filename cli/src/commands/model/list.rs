//! `hmisr model list` and `hmisr model show`.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmisr_recommend::artifact::{
    Artifact, Manifest, Place, latest_version, promoted, served_version, versions,
};
use serde::Serialize;

use crate::failure::Failure;

/// A version, or why it cannot be read.
#[derive(Debug, Serialize)]
struct Found {
    version: u64,
    is_newest: bool,
    is_promoted: bool,
    /// Whether servers take it.
    is_served: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<Manifest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

pub fn run(root: &Path, json: bool) -> Result<(), Failure> {
    let (newest, pinned, served) = (latest_version(root)?, promoted(root)?, served_version(root)?);
    let found: Vec<Found> = versions(root)?
        .into_iter()
        .map(|version| {
            let artifact = Artifact::open(root, Some(version));
            Found {
                version,
                is_newest: newest == Some(version),
                is_promoted: pinned == Some(version),
                is_served: served == Some(version),
                problem: artifact.as_ref().err().map(ToString::to_string),
                manifest: artifact.ok().map(|artifact| artifact.manifest().clone()),
            }
        })
        .collect();
    if json {
        println!("{}", serde_json::json!(found));
        return Ok(());
    }
    if found.is_empty() {
        println!("no version in {}", root.display());
        return Ok(());
    }
    println!(
        "{:>8}  {:>10}  {:>9}  {:>12}  {:>9}  {:>9}  {:<22}  MODEL",
        "VERSION", "AGE", "STEPS", "EXAMPLES", "ITEMS", "MB", "NDCG@10"
    );
    for one in &found {
        println!("{}", line(one));
    }
    Ok(())
}

fn line(found: &Found) -> String {
    let mut marks = Vec::new();
    if found.is_newest {
        marks.push("newest");
    }
    if found.is_promoted {
        marks.push("promoted");
    }
    if found.is_served {
        marks.push("served");
    }
    let marks = if marks.is_empty() { String::new() } else { format!("  ({})", marks.join(", ")) };
    let Some(manifest) = &found.manifest else {
        let problem = found.problem.as_deref().unwrap_or_default();
        return format!("{:>8}{marks}  cannot be read: {problem}", found.version);
    };
    format!(
        "{:>8}  {:>10}  {:>9}  {:>12}  {:>9}  {:>9.1}  {:<22}  {}{}{marks}",
        found.version,
        age(manifest.created_ms),
        manifest.step,
        manifest.examples,
        manifest.items,
        manifest.bytes() as f64 / 1e6,
        measured(manifest),
        manifest.model.architecture,
        origin(manifest),
    )
}

/// The measure that there is, and of what.
fn measured(manifest: &Manifest) -> String {
    let metrics = &manifest.metrics;
    match metrics.validation {
        _ if metrics.rolling.examples > 0 => format!("{:.4} prequential", metrics.rolling.model_ndcg),
        Some(validation) => format!("{:.4} validation", validation.ndcg),
        None => "none yet".to_owned(),
    }
}

fn origin(manifest: &Manifest) -> String {
    let fitted = manifest.fitted.as_ref().map(|fitted| format!(", fitted to {}", fitted.data));
    let from = manifest.from.map(|from| format!(", from {from}"));
    format!("{}{}", fitted.unwrap_or_default(), from.unwrap_or_default())
}

fn age(created_ms: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let created = Duration::from_millis(u64::try_from(created_ms).unwrap_or(0));
    match now.checked_sub(created) {
        Some(age) => {
            let text = humantime::format_duration(Duration::from_secs(age.as_secs())).to_string();
            text.split(' ').take(2).collect::<Vec<_>>().join(" ")
        }
        None => "the future".to_owned(),
    }
}

pub fn show(root: &Path, version: Option<u64>, json: bool) -> Result<(), Failure> {
    let artifact = Place { folder: root.to_owned(), version }.open()?;
    let published = artifact.published()?;
    let manifest = artifact.manifest();
    if json {
        println!("{}", serde_json::json!(manifest));
        return Ok(());
    }
    let created = UNIX_EPOCH + Duration::from_millis(u64::try_from(manifest.created_ms).unwrap_or(0));
    println!("version    {}{}", manifest.version, origin(manifest));
    println!("published  {} ({} ago)", humantime::format_rfc3339_seconds(created), age(manifest.created_ms));
    println!("folder     {}", artifact.folder().display());
    println!(
        "learnt     {} steps; {} examples of the stream in {} batches",
        manifest.step, manifest.examples, manifest.batches
    );
    for lesson in &manifest.lessons {
        println!(
            "lesson     {} epochs of stage {}",
            lesson.epochs,
            serde_json::json!(lesson.stage).as_str().unwrap_or_default()
        );
    }
    if let Some(topic) = &manifest.topic {
        println!("topic      {} (id {}), next offsets {:?}", topic.name, topic.id, manifest.offsets);
    }
    println!("items      {} in {} categories", manifest.items, published.catalogue.categories());
    println!(
        "weights    {} of the network, {} of the items' embeddings; all finite",
        published.parameters.weights(),
        published.items.len()
    );
    println!("measured   NDCG@10 {}", measured(manifest));
    for (name, means) in [
        ("all", manifest.metrics.overall),
        ("rolling", manifest.metrics.rolling),
        ("last tenth", manifest.metrics.last_tenth),
    ] {
        if means.examples > 0 {
            println!(
                "  {name:<11} HR@10 {:.4} NDCG@10 {:.4}, popularity {:.4} {:.4}, {} examples",
                means.model_hr, means.model_ndcg, means.popularity_hr, means.popularity_ndcg, means.examples
            );
        }
    }
    println!("model      {}", serde_json::json!(manifest.model));
    for (name, file) in manifest.files.iter().chain(&manifest.attached) {
        println!("file       {name}, {} bytes, SHA-256 {}", file.bytes, file.sha256);
    }
    Ok(())
}
