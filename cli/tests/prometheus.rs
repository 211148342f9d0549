//! A real Prometheus, with the configuration, rules and dashboards that ship, sees a running `hmisr up`, and a
//! running `hmisr bridge`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Running, SMALL, hmisr, run, stdout};
use hmisr_deploy::{dashboards, promql};
use hmisr_stream::kafka::{KafkaProducer, KafkaSettings};
use hmisr_testkit::free_address;
use hmisr_testkit::messages::unkeyed;
use serde_json::Value;

/// Patience with a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A Prometheus, ended with the test.
struct Prometheus {
    child: Child,
    address: String,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Prometheus {
    /// Starts one on the files that ship: only the two intervals are shorter, and `target`, of the job, is
    /// all that is scraped beside itself. Nothing where Prometheus is not installed.
    fn start(folder: &Path, job: &str, target: &str) -> Option<Self> {
        let shipped = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../deploy/prometheus");
        let address = free_address();
        let text = std::fs::read_to_string(shipped.join("prometheus.yml")).unwrap();
        let shorter = text
            .replace("scrape_interval: 15s", "scrape_interval: 1s")
            .replace("evaluation_interval: 15s", "evaluation_interval: 1s")
            .replace("localhost:9090", &address);
        assert_eq!(shorter.matches(": 1s").count(), 2, "{shorter}");
        std::fs::create_dir(folder.join("targets")).unwrap();
        std::fs::write(folder.join(format!("targets/{job}.yml")), format!("- targets: [\"{target}\"]\n"))
            .unwrap();
        std::fs::write(folder.join("prometheus.yml"), shorter).unwrap();
        for rules in ["recording.yml", "alerts.yml"] {
            std::fs::copy(shipped.join(rules), folder.join(rules)).unwrap();
        }
        let log = std::fs::File::create(folder.join("prometheus.log")).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        match child {
            Ok(child) => Some(Self { child, address }),
            Err(error) => {
                eprintln!("\n*** SKIPPED: prometheus: {error} (install Debian's package prometheus)\n");
                None
            }
        }
    }

    /// What the API answers under `data`; nothing while it cannot be asked.
    fn ask(&self, path: &str, query: Option<&str>) -> Result<Value, String> {
        let mut request = ureq::get(format!("http://{}/api/v1/{path}", self.address))
            .config()
            .http_status_as_error(false)
            .build();
        if let Some(query) = query {
            request = request.query("query", query);
        }
        let mut response = request.call().map_err(|error| error.to_string())?;
        let text = response.body_mut().read_to_string().map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        if answer["status"] != "success" {
            return Err(answer["error"].to_string());
        }
        Ok(answer["data"].clone())
    }

    /// How many series a query has that are numbers.
    fn numbers(&self, query: &str) -> Result<usize, String> {
        let data = self.ask("query", Some(query))?;
        let series = data["result"].as_array().cloned().unwrap_or_default();
        let number = |series: &&Value| {
            series["value"][1]
                .as_str()
                .and_then(|value| value.parse::<f64>().ok())
                .is_some_and(f64::is_finite)
        };
        Ok(series.iter().filter(number).count())
    }
}

/// Asks until `what` is all right, or tells what is still wrong.
fn until<T>(mut what: impl FnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match what() {
            Ok(done) => return done,
            Err(error) if began.elapsed() > PATIENCE => panic!("{error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(500)),
        }
    }
}

/// A dashboard's query as Grafana sends it: all jobs, all instances.
fn sent(query: &str) -> String {
    query.replace("$__rate_interval", "30s").replace("$job", ".*").replace("$instance", ".*")
}

/// Every query of the dashboards and selector of the alerts, and where it stands.
fn queries(rules: &Value) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for dashboard in dashboards::all() {
        all.extend(
            dashboard
                .queries()
                .map(|(panel, query)| (format!("{}, panel {panel}", dashboard.title), sent(query))),
        );
    }
    for rule in
        rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap())
    {
        let (name, query) = (rule["name"].as_str().unwrap(), rule["query"].as_str().unwrap());
        if rule["type"] == "recording" {
            all.push((format!("rule {name}"), name.to_owned()));
        }
        all.extend(promql::selectors(query).into_iter().map(|selector| (format!("rule {name}"), selector)));
    }
    all
}

/// Whether a query is of the bridge, which is no part of `hmisr up`.
fn is_of_bridge(query: &str) -> bool {
    query.contains("hmisr_bridge_")
}

/// Waits until every query has a number.
fn until_all_return_data(
    prometheus: &Prometheus,
    mut waiting: Vec<(String, String)>,
    mut meanwhile: impl FnMut(),
) {
    until(|| {
        meanwhile();
        let mut wrong = Vec::new();
        waiting.retain(|(place, query)| match prometheus.numbers(query) {
            Ok(1..) => false,
            Ok(_) => {
                wrong.push(format!("{place}: no number from {query}"));
                true
            }
            Err(error) => {
                wrong.push(format!("{place}: {error} from {query}"));
                true
            }
        });
        if wrong.is_empty() { Ok(()) } else { Err(format!("{wrong:#?}")) }
    });
}

/// Requests of every kind, so that each endpoint has times to show.
fn visit(address: &str) {
    for path in ["/v1/recommend?user_id=1&k=5", "/v1/users/1", "/v1/users/nobody", "/v1/model", "/healthz"] {
        drop(ureq::get(format!("http://{address}{path}")).call());
    }
}

#[test]
fn every_panel_recorded_series_and_selector_returns_data() {
    let data = tempfile::tempdir().unwrap();
    let watch = tempfile::tempdir().unwrap();
    let checkpoints: PathBuf = data.path().join("checkpoints");
    let mut command = hmisr();
    command.args(["up", "--rate", "1000", "--listen", "127.0.0.1:0", "--data"]).arg(data.path().join("data"));
    command.args(SMALL).args(["--set", "state.checkpoint_interval_s=1", "--set"]);
    command.arg(format!("state.checkpoints=file://{}", checkpoints.display()));
    let running = Running::start(&mut command);
    let address = running.address();
    let Some(prometheus) = Prometheus::start(watch.path(), "pipeline", &address) else { return };

    let rules = until(|| prometheus.ask("rules", None));
    running.line_with("snapshot in force");
    let mut waiting = queries(&rules);
    waiting.retain(|(_, query)| !is_of_bridge(query));
    assert!(waiting.len() > 150, "{} queries", waiting.len());
    until_all_return_data(&prometheus, waiting, || visit(&address));

    let failed = |rule: &&Value| rule["health"] == "err";
    let rules = until(|| prometheus.ask("rules", None));
    let all: Vec<&Value> = rules["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap())
        .collect();
    assert_eq!(all.iter().copied().find(failed), None);
    let firing: Vec<&Value> = all.iter().copied().filter(|rule| rule["state"] == "firing").collect();
    assert!(firing.is_empty(), "a healthy loop alerts: {firing:#?}");
    running.signal("INT");
    assert!(running.wait().0);
}

#[test]
fn every_query_of_the_bridge_returns_data() {
    let Some(broker) = hmisr_testkit::broker::start() else { return };
    let brokers = broker.address.as_str();
    stdout(&run(&["topics", "create", "--brokers", brokers, "--also", "clicks=1"]));
    let mut command = hmisr();
    command.args(["bridge", "--brokers", brokers, "--from", "clicks", "--listen", "127.0.0.1:0"]);
    let running = Running::start(&mut command);
    let watch = tempfile::tempdir().unwrap();
    let Some(prometheus) = Prometheus::start(watch.path(), "bridge", &running.address()) else { return };
    let rules = until(|| prometheus.ask("rules", None));
    let mut waiting = queries(&rules);
    waiting.retain(|(_, query)| is_of_bridge(query));
    assert!(waiting.len() > 15, "{} queries", waiting.len());
    let mut producer = KafkaProducer::new(&KafkaSettings::new(brokers)).unwrap();
    let event = r#"{"user_id": 1, "item_id": 2, "category": "a", "action": "view", "ts": 1700000000000}"#;
    until_all_return_data(&prometheus, waiting, || {
        for payload in [event, "no event"] {
            producer.produce(&unkeyed("clicks", 0, payload)).unwrap();
        }
        producer.flush().unwrap();
    });
    running.signal("INT");
    assert!(running.wait().0);
}
