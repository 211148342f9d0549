//! `hmisr model prune`.

use std::path::Path;

use hmisr_recommend::artifact::{FolderLock, promoted, remove, remove_after, served_version, versions};

use crate::failure::Failure;

pub fn run(root: &Path, keep: Option<usize>, after: Option<u64>, dry_run: bool) -> Result<(), Failure> {
    if keep == Some(0) {
        return Err(Failure::user("--keep 0: the newest version stays, so expected 1 or more"));
    }
    let all = versions(root)?;
    let served = served_version(root)?;
    let going: Vec<u64> = match (keep, after) {
        (_, Some(after)) => {
            if !all.contains(&after) {
                return Err(Failure::user(format!(
                    "--after {after}: there is no such version in {}; see hmisr model list",
                    root.display()
                )));
            }
            // Servers that take the newest take an older one then; one that is promoted stays.
            all.into_iter().filter(|version| *version > after).collect()
        }
        (keep, None) => {
            let stay = all.len().saturating_sub(keep.unwrap_or(1));
            all.into_iter().take(stay).filter(|version| Some(*version) != served).collect()
        }
    };
    if let Some(after) = after {
        if let Some(version) = promoted(root)?.filter(|version| going.contains(version)) {
            return Err(Failure::user(format!(
                "--after {after}: version {version} is promoted, and servers take it; promote another or release it first"
            )));
        }
        if dry_run {
            return told(&going);
        }
        let _lock = FolderLock::take(root)?;
        remove_after(root, after)?;
    } else if dry_run {
        return told(&going);
    } else {
        for version in &going {
            remove(root, *version)?;
        }
    }
    println!("removed {} versions: {going:?}", going.len());
    Ok(())
}

/// What would go.
fn told(going: &[u64]) -> Result<(), Failure> {
    println!("would remove {} versions: {going:?}", going.len());
    Ok(())
}
