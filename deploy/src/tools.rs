//! The programs of others that read a deployment's files: Helm, compose's loader, Kubernetes' schemas.
//! `scripts/setup --tests` installs them below `~/.cache/hmisr`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Where `scripts/setup --tests` puts them.
fn installed() -> PathBuf {
    let home =
        || std::env::var_os("HOME").map_or_else(PathBuf::new, |home| PathBuf::from(home).join(".cache"));
    std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("hmisr")
}

/// Runs `bin/NAME` of them with these arguments in `folder`. Says loudly where it is not installed, which is a
/// failure where `HMISR_DEPLOY_TESTS` is `require`.
///
/// # Errors
/// What it wrote, where it did not succeed; why it cannot be started.
pub fn run(name: &str, folder: &Path, arguments: &[&str]) -> Result<Option<String>, String> {
    let program = installed().join("bin").join(name);
    if !program.exists() {
        let text = format!("{} is missing: scripts/setup --tests installs it", program.display());
        if std::env::var("HMISR_DEPLOY_TESTS").as_deref() == Ok("require") {
            return Err(text);
        }
        eprintln!("\n*** SKIPPED: {text}\n");
        return Ok(None);
    }
    let Output { status, stdout, stderr } = Command::new(&program)
        .current_dir(folder)
        .args(arguments)
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let (said, complained) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    // Compose's loader tells a fault and ends with 0.
    match status.success() && !said.starts_with("failed to load") {
        true => Ok(Some(said.into_owned())),
        false => Err(format!("{name} {}: {said}{complained}", arguments.join(" "))),
    }
}

/// The chart's manifests with a file of values, as `helm template` renders them.
///
/// # Errors
/// Those of [`run`], and a manifest that is no YAML.
pub fn rendered(chart: &Path, values: &Path) -> Result<Option<Vec<Value>>, String> {
    let values = values.display().to_string();
    let arguments = [
        "template",
        "shop",
        ".",
        "--namespace",
        "web",
        "--kube-version",
        "1.31.0",
        "--values",
        values.as_str(),
    ];
    run("helm", chart, &arguments)?.map(|text| documents(&text)).transpose()
}

/// The documents of a YAML stream, empty ones left out.
///
/// # Errors
/// Why it is no YAML.
pub fn documents(text: &str) -> Result<Vec<Value>, String> {
    let read = |document| {
        serde::Deserialize::deserialize(document).map_err(|error: serde_yaml_ng::Error| error.to_string())
    };
    let all: Vec<Value> = serde_yaml_ng::Deserializer::from_str(text).map(read).collect::<Result<_, _>>()?;
    Ok(all.into_iter().filter(|document| !document.is_null()).collect())
}

/// The compose file as its own loader reads it, every profile's services included.
///
/// # Errors
/// Those of [`run`].
pub fn composed(folder: &Path) -> Result<Option<Value>, String> {
    let Some(text) = run("compose", folder, &["-format", "json", "compose.yml"])? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|error| error.to_string())
}
