//! The Helm chart, rendered by Helm itself.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Helm: on the path, or where `scripts/setup --tests` puts it; none where there is none.
pub fn helm() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let installed = cache.map(|folder| folder.join("hmisr/bin/helm"));
    let found = [Some(PathBuf::from("helm")), installed].into_iter().flatten();
    found.into_iter().find(|helm| Command::new(helm).arg("version").output().is_ok())
}

/// The version of Kubernetes to render for; a Helm that was built from its module alone knows none.
pub const KUBERNETES: &str = "1.33.0";

/// `helm template` of `chart` with a file of values and further ones (`--set-json`).
///
/// # Errors
/// Where Helm cannot be started.
pub fn template(helm: &Path, chart: &Path, values: &Path, set: &[&str]) -> std::io::Result<Output> {
    let mut command = Command::new(helm);
    command
        .args(["template", "rec", "--namespace", "shop", "--kube-version", KUBERNETES])
        .arg(chart)
        .arg("--values")
        .arg(values);
    for assignment in set {
        command.args(["--set-json", assignment]);
    }
    command.output()
}
