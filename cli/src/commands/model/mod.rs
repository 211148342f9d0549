//! `hmisr model`: the versions of a folder, and which of them is served.
//!
//! It acts on a folder while trainers and servers run over it: each change is one file put in place whole, which
//! servers see at their next look.

mod args;
mod diff;
mod list;
mod prune;

use std::path::Path;

use hmisr_recommend::artifact::{
    Artifact, latest_version, promote, promoted, release, served_version, versions,
};

pub use self::args::ModelCommand;
use crate::failure::Failure;

pub fn run(command: ModelCommand) -> Result<(), Failure> {
    match command {
        ModelCommand::List { place, json } => list::run(&place.snapshots, json),
        ModelCommand::Show { place, version, json } => list::show(&place.snapshots, version, json),
        ModelCommand::Diff { place, one, other, json } => diff::run(&place.snapshots, one, other, json),
        ModelCommand::Promote { place, version } => take(&place.snapshots, version),
        ModelCommand::Rollback { place } => rollback(&place.snapshots),
        ModelCommand::Release { place } => let_go(&place.snapshots),
        ModelCommand::Prune { place, keep, after, dry_run } => {
            prune::run(&place.snapshots, keep, after, dry_run)
        }
        ModelCommand::Migrate { place, version } => migrate(&place.snapshots, version),
    }
}

/// Has servers take a version, and says what that means.
fn take(root: &Path, version: u64) -> Result<(), Failure> {
    let before = served_version(root).unwrap_or_default();
    promote(root, version)?;
    let from = before
        .filter(|before| *before != version)
        .map_or_else(String::new, |before| format!(", before {before}"));
    println!(
        "servers take version {version}{from}, whatever is published since, until hmisr model release --snapshots {}",
        root.display()
    );
    Ok(())
}

/// The newest version before the one that is served which can be served.
fn rollback(root: &Path) -> Result<(), Failure> {
    let Some(served) = served_version(root)? else {
        return Err(Failure::user(format!(
            "no snapshot in {}: there is nothing to go back from",
            root.display()
        )));
    };
    // Versions between the one that training was told to go on from and the first that came of it are what was
    // given up then.
    let from = Artifact::open(root, Some(served)).ok().and_then(|artifact| artifact.manifest().from);
    let is_of_line = |version: u64| {
        from.is_none_or(|from| {
            let own = || Artifact::open(root, Some(version)).is_ok_and(|it| it.manifest().from == Some(from));
            version <= from || own()
        })
    };
    let earlier: Vec<u64> =
        versions(root)?.into_iter().filter(|version| *version < served && is_of_line(*version)).collect();
    let mut unusable = Vec::new();
    for version in earlier.iter().rev() {
        match Artifact::open(root, Some(*version)).and_then(|artifact| artifact.published()) {
            Ok(_) => {
                unusable.iter().for_each(|problem| eprintln!("{problem}"));
                return take(root, *version);
            }
            Err(error) => unusable.push(format!("version {version} is passed over: {error}")),
        }
    }
    Err(Failure::user(format!(
        "there is no whole version before {served} in {}{}; trainer.keep_snapshots says how many are kept",
        root.display(),
        unusable.iter().map(|problem| format!("; {problem}")).collect::<String>()
    )))
}

fn let_go(root: &Path) -> Result<(), Failure> {
    // One that cannot be read is released all the same: that is how it is mended.
    let before = promoted(root).unwrap_or_else(|error| {
        eprintln!("{error}");
        None
    });
    let was_promoted = release(root)?;
    let newest = latest_version(root)?.map_or_else(|| "none yet".to_owned(), |version| version.to_string());
    match before {
        Some(version) => println!("version {version} is released: servers take the newest, {newest}"),
        None if was_promoted => println!("released: servers take the newest, {newest}"),
        None => println!("no version was promoted: servers take the newest, {newest}"),
    }
    Ok(())
}

fn migrate(root: &Path, version: Option<u64>) -> Result<(), Failure> {
    let (manifest, bound) = hmisr_trainer::snapshot::migrate(root, version)?;
    println!("written as version {}, of format {}", manifest.version, manifest.format_version);
    for (what, names) in [("begins fresh", &bound.fresh), ("is dropped", &bound.dropped)] {
        names.iter().for_each(|name| println!("weight {name} {what}"));
    }
    Ok(())
}
