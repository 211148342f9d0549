//! The Dockerfile: its instructions, what it copies, installs and builds, agree with the repository.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::path::{Path, PathBuf};
use std::process::Command;

use hmisr_deploy::image::{Instruction, instructions};

fn root() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("..")
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn dockerfile() -> Vec<Instruction> {
    instructions(&text("deploy/image/Dockerfile")).unwrap()
}

/// The instructions of the last stage, which is the image.
fn image() -> Vec<Instruction> {
    let mut all = dockerfile();
    all.split_off(all.iter().rposition(|it| it.word == "FROM").unwrap())
}

fn only(word: &str) -> Instruction {
    let mut found: Vec<_> = image().into_iter().filter(|it| it.word == word).collect();
    assert_eq!(found.len(), 1, "{word} in the last stage");
    found.remove(0)
}

/// A setting of Cargo.toml's `[workspace.package]`.
fn of_package(key: &str) -> String {
    let manifest = text("Cargo.toml");
    let line = manifest.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

#[test]
fn bases_are_pinned_and_fit_each_other() {
    let mut stages: Vec<String> = Vec::new();
    for from in dockerfile().iter().filter(|it| it.word == "FROM") {
        let words: Vec<&str> = from.rest.split(' ').collect();
        let own = stages.iter().any(|stage| stage == words[0]);
        let tag = words[0].rsplit_once(':').map(|(_, tag)| tag);
        let pinned =
            tag.is_some_and(|tag| tag.starts_with(|it: char| it.is_ascii_digit()) && tag.contains('.'));
        assert!(own || pinned, "line {}: {} has no exact version", from.line, words[0]);
        stages.extend(words.get(2).map(ToString::to_string));
    }
    let all = text("deploy/image/Dockerfile");
    let after = |what: &str| all.split(what).nth(1).unwrap().split(['-', '\n']).next().unwrap().to_owned();
    let numbers = |version: &str| version.split('.').map(|it| it.parse::<u32>().unwrap()).collect::<Vec<_>>();
    assert!(numbers(&after("FROM rust:")) >= numbers(&of_package("rust-version")));
    // Debian 12 is bookworm: built and run with the same libraries.
    assert!(
        all.contains("FROM rust:")
            && all.contains("-slim-bookworm AS tools")
            && after("FROM debian:").starts_with("12.")
    );
}

#[test]
fn what_is_copied_is_there_and_not_ignored() {
    let ignored = text("deploy/image/Dockerfile.dockerignore");
    let lines: Vec<&str> = ignored.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines[0], "*", "everything is left out but what is named");
    let admitted = |path: &str| lines.contains(&format!("!{}", path.split('/').next().unwrap()).as_str());
    for line in &lines[1..] {
        let path = line.trim_start_matches('!').trim_end_matches("/*.rs");
        assert!(path.starts_with("**/") || root().join(path).exists(), "{line}: there is no such file");
    }
    let copies = dockerfile().into_iter().filter(|it| it.word == "COPY" && !it.rest.starts_with("--from"));
    for copy in copies {
        let from = copy.rest.split(' ').next().unwrap();
        assert!(root().join(from).exists(), "line {}: {from} is not there", copy.line);
        assert!(from == "." || admitted(from), "line {}: {from} is ignored", copy.line);
    }
    // All that the build reads.
    let members = text("Cargo.toml").lines().find(|line| line.starts_with("members")).unwrap().to_owned();
    let members: Vec<&str> = members.split('"').skip(1).step_by(2).collect();
    assert!(members.len() > 10);
    for path in members.iter().chain(&["Cargo.toml", "Cargo.lock", "Makefile", "scripts"]) {
        assert!(admitted(path), "{path} is ignored");
    }
    let stages: Vec<String> =
        dockerfile().iter().filter_map(|it| it.rest.split(" AS ").nth(1).map(str::to_owned)).collect();
    for copy in dockerfile().iter().filter(|it| it.rest.starts_with("--from=")) {
        let stage = copy.rest.trim_start_matches("--from=").split(' ').next().unwrap();
        assert!(stages.iter().any(|it| it == stage), "line {}: there is no stage {stage}", copy.line);
    }
}

/// Whether the last line of an ignore file that is about `path` leaves it out.
fn is_ignored(path: &str, lines: &[&str]) -> bool {
    let about = |pattern: &str| match (pattern.strip_prefix("**/"), pattern.rsplit_once("/*")) {
        _ if pattern == "*" => true,
        (Some(folder), _) => path.split('/').any(|part| part == folder),
        (None, Some((folder, ending))) => {
            path.rsplit_once('/').is_some_and(|(parent, name)| parent == folder && name.ends_with(ending))
        }
        (None, None) => path == pattern || path.starts_with(&format!("{pattern}/")),
    };
    let last = lines.iter().rev().find(|line| about(line.trim_start_matches('!')));
    last.is_some_and(|line| !line.starts_with('!'))
}

/// Rust sources below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, found),
            false if path.extension().is_some_and(|ending| ending == "rs") => found.push(path),
            false => {}
        }
    }
}

#[test]
fn what_sources_include_is_not_ignored() {
    let ignored = text("deploy/image/Dockerfile.dockerignore");
    let lines: Vec<&str> = ignored.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(is_ignored("docs/http.md", &lines) && is_ignored("udfs/src/lib.rs", &lines));
    assert!(!is_ignored("cli/src/main.rs", &lines) && is_ignored("cli/tests/up.rs", &lines));
    let mut included = Vec::new();
    // The cluster's texts stand there by folder, ending and name.
    let texts = text("arroyo/src/texts.rs");
    for table in texts.split("texts!(").skip(1) {
        let words: Vec<&str> = table.split(')').next().unwrap().split('"').skip(1).step_by(2).collect();
        if let [folder, ending, names @ ..] = &words[..] {
            included.extend(names.iter().map(|name| format!("{folder}/{name}.{ending}")));
        }
    }
    assert!(included.len() > 10, "{included:?}");
    let members = text("Cargo.toml").lines().find(|line| line.starts_with("members")).unwrap().to_owned();
    let mut all = Vec::new();
    for member in members.split('"').skip(1).step_by(2) {
        sources(&root().join(member).join("src"), &mut all);
    }
    for path in &all {
        let source = std::fs::read_to_string(path).unwrap();
        // Unit tests are not built there.
        let built = source.split("#[cfg(test)]").next().unwrap();
        for part in built.split("include_str!(\"").skip(1) {
            let file = path.parent().unwrap().join(part.split('"').next().unwrap()).canonicalize().unwrap();
            let root = root().canonicalize().unwrap();
            included.push(file.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
    assert!(included.len() > 20, "{included:?}");
    for path in included {
        assert!(root().join(&path).exists(), "{path} is not there");
        assert!(!is_ignored(&path, &lines), "{path} is ignored, and the program is built of it");
    }
}

#[test]
fn it_is_built_as_everywhere() {
    let runs: Vec<String> =
        dockerfile().into_iter().filter(|it| it.word == "RUN").map(|it| it.rest).collect();
    let run = |with: &str| {
        runs.iter().find(|run| run.contains(with)).unwrap_or_else(|| panic!("no {with:?} in {runs:#?}"))
    };
    run("scripts/setup");
    run("make build FEATURES=");
    // The layer of the dependencies is of use only where it is built with the same flags.
    let makefile = text("Makefile");
    let flags = makefile.lines().find_map(|line| line.strip_prefix("CARGO_BUILD := cargo build ")).unwrap();
    let flags = flags.split(" $(").next().unwrap();
    assert!(run("cargo chef cook").contains(flags), "Makefile: {flags}");
    let features = text("cli/Cargo.toml");
    let arg = dockerfile().into_iter().find(|it| it.rest.starts_with("FEATURES=")).unwrap();
    for feature in arg.rest.trim_start_matches("FEATURES=").split(',') {
        let name = feature.strip_prefix("hmisr/").unwrap();
        assert!(features.contains(&format!("\n{name} = [")), "cli/Cargo.toml has no feature {name}");
    }
}

#[test]
fn it_runs_as_nobody_of_note_and_ends_in_order() {
    let user = only("USER").rest;
    let (uid, gid) = user.split_once(':').unwrap();
    assert!(uid == "10001" && gid == "10001", "{user}: the chart's securityContext has 10001");
    let install = only("RUN").rest;
    assert!(install.contains("useradd --uid 10001") && install.contains("groupadd --gid 10001"));
    assert_eq!(only("STOPSIGNAL").rest, "SIGTERM");
    for volume in only("VOLUME").list().unwrap() {
        let made = install
            .split("install -d -o hmisr -g hmisr")
            .nth(1)
            .unwrap()
            .split("&&")
            .next()
            .unwrap()
            .to_owned();
        assert!(made.split(' ').any(|it| it == volume), "{volume} is not the user's");
    }
    let label = only("LABEL").rest;
    assert!(label.contains(&format!("image.version=\"{}\"", of_package("version"))), "{label}");
    assert!(label.contains(&format!("image.licenses=\"{}\"", of_package("license"))), "{label}");
    let base = image().remove(0).rest;
    assert!(label.contains(&format!("image.base.name=\"docker.io/library/{base}\"")), "{label}");
}

/// Whether Debian has them; where there is no apt it is not known.
#[test]
fn the_packages_exist() {
    let install = only("RUN").rest;
    let packages =
        install.split("--no-install-recommends ").nth(1).unwrap().split(" &&").next().unwrap().to_owned();
    assert!(packages.contains("libssl3"), "{packages}");
    for package in packages.split(' ') {
        let Ok(policy) = Command::new("apt-cache").env("LC_ALL", "C").args(["policy", package]).output()
        else {
            eprintln!("\n*** SKIPPED: {packages}: there is no apt-cache here\n");
            return;
        };
        let said = String::from_utf8_lossy(&policy.stdout).into_owned();
        if std::fs::read_to_string("/etc/os-release")
            .unwrap_or_default()
            .contains("VERSION_CODENAME=bookworm")
        {
            assert!(
                said.lines().any(|line| line.contains("Candidate: ") && !line.contains("(none)")),
                "{package}: {said}"
            );
        }
    }
}

#[test]
fn lines_are_joined_and_a_typo_is_told_with_its_line() {
    let read = instructions("# a\nFROM a:1 AS b\nRUN one \\\n # c\n && two\nCMD [\"x\"]\n").unwrap();
    let seen: Vec<_> = read.iter().map(|it| (it.line, it.rest.as_str())).collect();
    assert_eq!(seen, [(2, "a:1 AS b"), (3, "one && two"), (6, "[\"x\"]")]);
    assert_eq!(read[2].list().unwrap(), ["x"]);
    assert!(instructions("FROM a:1\nRUM x\n").unwrap_err().starts_with("line 2: \"RUM\""));
    assert!(instructions("FROM\n").unwrap_err().starts_with("line 1"));
    assert!(instructions("FROM a\nRUN a \\\n").unwrap_err().starts_with("line 2"));
}
