//! The image: of pinned bases, without root, and built from all that the program is built from.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("..")
}

/// The instructions, continued lines joined.
fn instructions() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join("deploy/image/Dockerfile")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let joined = lines.replace("\\\n", " ");
    let lines = joined.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| line.trim().split_once(' ').unwrap())
        .map(|(word, rest)| (word.into(), rest.into()))
        .collect()
}

/// Whether the build sees a path of the repository.
fn is_sent(path: &str) -> bool {
    let text = std::fs::read_to_string(root().join("deploy/image/Dockerfile.dockerignore")).unwrap();
    let sent = text.lines().filter_map(|line| line.strip_prefix('!'));
    sent.into_iter().any(|kept| path == kept || path.starts_with(&format!("{kept}/")))
}

#[test]
fn bases_are_of_a_version_and_the_program_has_no_rights() {
    let all = instructions();
    let known = [
        "ARG",
        "FROM",
        "WORKDIR",
        "COPY",
        "RUN",
        "LABEL",
        "USER",
        "ENV",
        "HEALTHCHECK",
        "STOPSIGNAL",
        "ENTRYPOINT",
        "CMD",
    ];
    assert!(all.iter().all(|(word, _)| known.contains(&word.as_str())));
    let bases: Vec<&str> = all
        .iter()
        .filter_map(|(word, rest)| {
            rest.split_once('=').filter(|(_, image)| word == "ARG" && image.contains(':'))
        })
        .map(|(_, image)| image)
        .collect();
    assert_eq!(bases.len(), 2);
    for base in bases {
        let tag = base.split_once(':').unwrap().1;
        assert!(tag.contains('.') && tag.contains(char::is_numeric), "{base} names no version");
    }
    let stages = all.iter().filter(|(word, _)| word == "FROM").count();
    assert_eq!(stages, 2);
    let users: Vec<&str> =
        all.iter().filter(|(word, _)| word == "USER").map(|(_, rest)| rest.as_str()).collect();
    assert_eq!(users, ["10001:10001"]);
    let version = format!("VERSION={}", env!("CARGO_PKG_VERSION"));
    assert!(all.iter().any(|(word, rest)| word == "ARG" && *rest == version));
    assert_eq!(all.iter().filter(|(word, _)| word == "HEALTHCHECK").count(), 1);
}

#[test]
fn the_build_has_what_the_program_is_built_from() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = manifest.split("members = [").nth(1).unwrap().split(']').next().unwrap();
    let members: Vec<&str> = members.split('"').skip(1).step_by(2).collect();
    for path in ["Cargo.toml", "Cargo.lock", "scripts/setup"].iter().chain(&members) {
        assert!(is_sent(path) && root().join(path).exists(), "{path}");
    }
    // What sources take in from beside them; what tests take in is none of the build's.
    for member in members {
        let mut folders = vec![root().join(member).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]").next().unwrap();
                for taken in text.split("include_str!(\"").skip(1) {
                    let taken = path.parent().unwrap().join(taken.split('"').next().unwrap());
                    let taken = taken.canonicalize().unwrap_or_else(|error| panic!("{taken:?}: {error}"));
                    let taken = taken.strip_prefix(root().canonicalize().unwrap()).unwrap().to_owned();
                    assert!(
                        is_sent(taken.to_str().unwrap()),
                        "{} takes in {}",
                        path.display(),
                        taken.display()
                    );
                }
            }
        }
    }
    // Taken in by a macro of the program.
    assert!(is_sent("sql/tables/events.sql") && is_sent("udfs/arroyo/diversity.rs"));
    assert!(!is_sent("docs/metrics.md") && !is_sent("README.md"));
}
