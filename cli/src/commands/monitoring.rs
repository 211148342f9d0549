//! `hmisr monitoring`: what Prometheus and Grafana need to show the parts, out of the program itself.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;

use crate::failure::Failure;

/// Arguments of `hmisr monitoring`.
#[derive(Debug, Args)]
pub struct MonitoringArgs {
    /// Folder that the files go to.
    #[arg(long, value_name = "DIR", default_value = "monitoring")]
    output: PathBuf,
    /// A part that is scraped, such as pipeline=127.0.0.1:8081; repeatable. The parts are up, pipeline,
    /// train, serve, bridge, arroyo and kafka (a JMX exporter).
    #[arg(long = "scrape", value_name = "PART=HOST:PORT", required = true)]
    scrape: Vec<Target>,
    /// Where Prometheus will listen.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9090")]
    prometheus: String,
    /// Write files anew that are there and were changed, or come from another version of the program.
    #[arg(long)]
    force: bool,
}

/// A part, and where it answers Prometheus.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    /// The job of `prometheus.yml`.
    job: &'static str,
    address: String,
}

/// Parts, and their jobs. `hmisr up` is all parts in one process, and the streaming job is one of them.
const PARTS: [(&str, &str); 7] = [
    ("up", "pipeline"),
    ("pipeline", "pipeline"),
    ("train", "train"),
    ("serve", "serve"),
    ("bridge", "bridge"),
    ("arroyo", "arroyo"),
    ("kafka", "kafka"),
];

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || PARTS.map(|(part, _)| part).join(", ");
        let expected = || format!("expected PART=HOST:PORT with one of the parts {}", names());
        let (part, address) = text.split_once('=').ok_or_else(expected)?;
        let (_, job) = PARTS.into_iter().find(|(known, _)| *known == part).ok_or_else(expected)?;
        check_address(address)?;
        Ok(Self { job, address: address.to_owned() })
    }
}

/// Host and port, of characters that mean nothing in YAML.
fn check_address(text: &str) -> Result<(), String> {
    let plain =
        |host: &str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte));
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && plain(host) && port.parse::<u16>().is_ok() => Ok(()),
        _ => Err(format!("{text:?}: expected HOST:PORT, such as 127.0.0.1:8081")),
    }
}

/// Files that are written as they are.
const PLAIN: [(&str, &str); 8] = [
    ("recording.yml", include_str!("../../../deploy/prometheus/recording.yml")),
    ("alerts.yml", include_str!("../../../deploy/prometheus/alerts.yml")),
    (
        "grafana/dashboards/hmisr-bridge.json",
        include_str!("../../../deploy/grafana/dashboards/hmisr-bridge.json"),
    ),
    (
        "grafana/dashboards/hmisr-business.json",
        include_str!("../../../deploy/grafana/dashboards/hmisr-business.json"),
    ),
    (
        "grafana/dashboards/hmisr-pipeline.json",
        include_str!("../../../deploy/grafana/dashboards/hmisr-pipeline.json"),
    ),
    (
        "grafana/dashboards/hmisr-serving.json",
        include_str!("../../../deploy/grafana/dashboards/hmisr-serving.json"),
    ),
    (
        "grafana/dashboards/hmisr-state.json",
        include_str!("../../../deploy/grafana/dashboards/hmisr-state.json"),
    ),
    (
        "grafana/dashboards/hmisr-trainer.json",
        include_str!("../../../deploy/grafana/dashboards/hmisr-trainer.json"),
    ),
];
const SCRAPE: &str = include_str!("../../../deploy/prometheus/prometheus.yml");
const DATA_SOURCE: &str = include_str!("../../../deploy/grafana/provisioning/datasources/prometheus.yml");
const PROVIDER: &str = include_str!("../../../deploy/grafana/provisioning/dashboards/hmisr.yml");

pub fn run(args: &MonitoringArgs) -> Result<(), Failure> {
    check_address(&args.prometheus).map_err(|error| Failure::user(format!("--prometheus {error}")))?;
    let cannot = |path: &Path, error: std::io::Error| {
        Failure::user(format!("--output: {}: cannot be written ({error})", path.display()))
    };
    std::fs::create_dir_all(&args.output).map_err(|error| cannot(&args.output, error))?;
    // Grafana starts in another folder.
    let folder = args.output.canonicalize().map_err(|error| cannot(&args.output, error))?;
    let files = files(&args.scrape, &args.prometheus, &folder);
    let mut changed = files.iter().filter(|(path, text)| {
        let found = std::fs::read(folder.join(path));
        !path.starts_with("targets") && found.is_ok_and(|found| found != text.as_bytes())
    });
    if let (false, Some((path, _))) = (args.force, changed.next_back()) {
        return Err(Failure::user(format!(
            "{}: is there and differs, by a change or by another version of the program; choose another --output, or write it anew with --force",
            args.output.join(path).display()
        )));
    }
    for (path, text) in &files {
        let path = folder.join(path);
        path.parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|error| cannot(&path, error))?;
    }
    print!("{}", Told { output: &args.output, folder: &folder, prometheus: &args.prometheus });
    Ok(())
}

/// All files by their paths below the folder.
fn files(targets: &[Target], prometheus: &str, folder: &Path) -> Vec<(PathBuf, String)> {
    let mut files: Vec<(PathBuf, String)> =
        PLAIN.iter().map(|(path, text)| (path.into(), (*text).to_owned())).collect();
    files.push(("prometheus.yml".into(), SCRAPE.replace("localhost:9090", prometheus)));
    for (_, job) in PARTS.iter().skip(1) {
        let addresses: Vec<String> =
            targets.iter().filter(|one| one.job == *job).map(|one| format!("{:?}", one.address)).collect();
        if !addresses.is_empty() {
            files.push((
                format!("targets/{job}.yml").into(),
                format!("- targets: [{}]\n", addresses.join(", ")),
            ));
        }
    }
    let source = DATA_SOURCE.replace("${PROMETHEUS_URL}", &format!("http://{prometheus}"));
    files.push(("grafana/provisioning/datasources/prometheus.yml".into(), source));
    // A JSON text is a text of YAML too, whatever the folder is called.
    let dashboards = serde_json::Value::from(folder.join("grafana/dashboards").display().to_string());
    let provider = PROVIDER.replace("/var/lib/grafana/dashboards", &dashboards.to_string());
    files.push(("grafana/provisioning/dashboards/hmisr.yml".into(), provider));
    files
}

/// What to do with the files.
struct Told<'a> {
    output: &'a Path,
    folder: &'a Path,
    prometheus: &'a str,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { output, folder, prometheus } = self;
        let (output, folder) = (output.display(), folder.display());
        writeln!(f, "written to {output}; start with")?;
        writeln!(
            f,
            "  prometheus --config.file {output}/prometheus.yml --storage.tsdb.path {output}/data --web.listen-address {prometheus}"
        )?;
        writeln!(
            f,
            "  GF_PATHS_PROVISIONING={folder}/grafana/provisioning grafana server --homepath /usr/share/grafana"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_names_a_part_and_an_address() {
        let target: Target = "up=127.0.0.1:8080".parse().unwrap();
        assert_eq!(target, Target { job: "pipeline", address: "127.0.0.1:8080".to_owned() });
        for text in ["", "up", "pipline=a:1", "up=", "up=a", "up=:1", "up=a:x", "up=a:70000", "up=a\"]:1"] {
            assert!(text.parse::<Target>().unwrap_err().contains("expected"), "{text}");
        }
    }

    #[test]
    fn every_dashboard_and_rule_is_compiled_in_and_every_place_holder_replaced() {
        let target: Target = "serve=a:1".parse().unwrap();
        let files = files(&[target], "p:2", Path::new("/x: y"));
        let text = |path: &str| &files.iter().find(|(known, _)| known == Path::new(path)).unwrap().1;
        let deploy = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../deploy");
        for (below, into) in [("grafana/dashboards", "grafana/dashboards/"), ("prometheus", "")] {
            for entry in std::fs::read_dir(deploy.join(below)).unwrap().map(|entry| entry.unwrap()) {
                if entry.file_type().unwrap().is_file() {
                    text(&format!("{into}{}", entry.file_name().to_str().unwrap()));
                }
            }
        }
        assert!(text("prometheus.yml").contains("targets: [\"p:2\"]"));
        assert_eq!(text("targets/serve.yml"), "- targets: [\"a:1\"]\n");
        assert!(!files.iter().any(|(path, _)| path == Path::new("targets/pipeline.yml")));
        assert!(text("grafana/provisioning/datasources/prometheus.yml").contains("url: http://p:2\n"));
        let provider = text("grafana/provisioning/dashboards/hmisr.yml");
        assert!(provider.contains("{path: \"/x: y/grafana/dashboards\"}"), "{provider}");
        for (path, text) in &files {
            assert!(!text.contains("/var/lib/grafana") && !text.contains("PROMETHEUS_URL"), "{path:?}");
        }
    }
}
