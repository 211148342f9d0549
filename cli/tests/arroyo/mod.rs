//! `hmisr arroyo` against a server that follows Arroyo's API.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod cluster;

use std::process::Output;
use std::time::{Duration, Instant};

use crate::common::{Running, hmisr, stdout};
use axum::http::StatusCode;
use cluster::{Cluster, Faults, counted, impostor};
use serde_json::Value;

const HOURLY: &str = "user_features_hourly";
const POPULARITY: &str = "category_popularity";

fn arroyo(url: &str, arguments: &[&str]) -> Output {
    let (command, rest) = arguments.split_first().unwrap();
    hmisr().args(["arroyo", command, "--api", url]).args(rest).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// The error of a command that ends with `code`.
fn refused(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

/// The outcomes of a deployment, by name.
fn outcomes(output: &Output) -> Vec<(String, String)> {
    stdout(output);
    let of = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
    let value = json(output);
    value.as_array().unwrap().iter().map(|line| (of(line, "name"), of(line, "outcome"))).collect()
}

#[test]
fn all_pipelines_run_and_a_second_deployment_changes_nothing() {
    let cluster = Cluster::start(Faults::default());
    let twice = ["deploy", HOURLY, HOURLY, "--brokers", "kafka:9092", "--json"];
    assert_eq!(
        outcomes(&arroyo(&cluster.url, &twice)).len(),
        1,
        "a name that is given twice is one pipeline"
    );
    stdout(&arroyo(&cluster.url, &["stop", HOURLY, "--delete"]));
    cluster.changes();
    let first = arroyo(&cluster.url, &["deploy", "--brokers", "kafka:9092", "--json"]);
    let made = outcomes(&first);
    assert_eq!(made.len(), 4);
    assert!(made.iter().all(|(_, outcome)| outcome == "created"), "{made:?}");
    for (name, state, query) in cluster.pipelines() {
        assert_eq!(state, "Running", "{name}");
        assert!(query.contains("bootstrap_servers = 'kafka:9092'") && !query.contains("${"), "{name}");
    }
    assert_eq!(cluster.changes().len(), 4);
    let second = arroyo(&cluster.url, &["deploy", "--brokers", "kafka:9092", "--json"]);
    assert!(outcomes(&second).iter().all(|(_, outcome)| outcome == "unchanged"));
    assert_eq!(cluster.changes(), [""; 0]);
    let status = arroyo(&cluster.url, &["status", "--brokers", "kafka:9092", "--json"]);
    stdout(&status);
    for line in json(&status).as_array().unwrap() {
        assert_eq!((&line["state"], &line["current"]), (&"Running".into(), &true.into()), "{line}");
        assert!(line["checkpoint_time"].as_u64().unwrap() > 1_767_225_610_000_000, "{line}");
        assert_eq!(line["runs"], 1);
    }
    let text = stdout(&arroyo(&cluster.url, &["status", "--brokers", "kafka:9092"]));
    assert!(text.contains("user_features_daily") && text.contains("current"), "{text}");
}

#[test]
fn a_changed_text_is_replaced_once_the_new_one_runs() {
    let cluster = Cluster::start(Faults::default());
    // More of other people's pipelines than a page has.
    cluster.crowd(120);
    let old = ["deploy", HOURLY, "--brokers", "old:9092", "--parallelism", "4", "--json"];
    outcomes(&arroyo(&cluster.url, &old));
    cluster.crowd(120);
    cluster.changes();
    let new = ["deploy", HOURLY, "--brokers", "new:9092", "--json"];
    let output = arroyo(&cluster.url, &new);
    assert_eq!(outcomes(&output), [(HOURLY.to_owned(), "replaced".to_owned())]);
    // Made, and only then the old one stopped and deleted; nobody else's.
    assert_eq!(
        cluster.changes(),
        [format!("POST {HOURLY}"), "PATCH pl_0121".into(), "DELETE pl_0121".into()]
    );
    let hourly: Vec<_> = cluster.pipelines().into_iter().filter(|(name, ..)| name == HOURLY).collect();
    assert_eq!(hourly.len(), 1);
    assert!(hourly[0].2.contains("'new:9092'"));
    assert_eq!(cluster.pipelines().len(), 241);
    let status = arroyo(&cluster.url, &["status", HOURLY, "--brokers", "new:9092", "--json"]);
    assert_eq!(json(&status)[0]["parallelism"], 4, "what is not given stays");
    assert_eq!(outcomes(&arroyo(&cluster.url, &new)), [(HOURLY.to_owned(), "unchanged".to_owned())]);
}

#[test]
fn a_replacement_that_fails_leaves_the_old_one_running() {
    let cluster = Cluster::start(Faults::default());
    outcomes(&arroyo(&cluster.url, &["deploy", HOURLY, "--brokers", "old:9092", "--json"]));
    cluster.set(Faults {
        fails: Some((HOURLY.to_owned(), "panicked at a worker".to_owned())),
        ..Faults::default()
    });
    let error = refused(&arroyo(&cluster.url, &["deploy", HOURLY, POPULARITY, "--brokers", "new:9092"]), 1);
    for part in [
        "the job is Failed: panicked at a worker; Failed to create a consumer broker is not there",
        "pl_0002 was deleted again, pl_0001 goes on as before",
        "deployed before it: none; not begun: category_popularity",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let left = cluster.pipelines();
    assert_eq!(left.len(), 1);
    assert!(left[0].1 == "Running" && left[0].2.contains("'old:9092'"), "{left:?}");
}

#[test]
fn a_replacement_that_crashes_again_and_again_leaves_the_old_one_running() {
    let cluster = Cluster::start(Faults::default());
    outcomes(&arroyo(&cluster.url, &["deploy", HOURLY, "--brokers", "old:9092", "--json"]));
    cluster.set(Faults { crashes: Some(HOURLY.to_owned()), ..Faults::default() });
    let error = refused(&arroyo(&cluster.url, &["deploy", HOURLY, "--brokers", "new:9092"]), 1);
    for part in
        [" in run 5", "the workers' logs say why", "pl_0002 was deleted again, pl_0001 goes on as before"]
    {
        assert!(error.contains(part), "{part}: {error}");
    }
    let left = cluster.pipelines();
    assert!(left.len() == 1 && left[0].1 == "Running" && left[0].2.contains("'old:9092'"), "{left:?}");
    // Cut off in the middle both are left, and the next command does not take the new one for sound.
    let mut command = hmisr();
    command.args(["arroyo", "deploy", "--api", &cluster.url, HOURLY, "--brokers", "new:9092"]);
    let mut running = Running::start(&mut command);
    running.line_with("Recovering");
    let pid = running.child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(running.child.wait().unwrap().code(), Some(1));
    assert_eq!(cluster.pipelines().len(), 2);
    let error = refused(&arroyo(&cluster.url, &["deploy", HOURLY, "--brokers", "new:9092"]), 1);
    assert!(error.contains(" in run ") || error.contains("restarted too many times"), "{error}");
    let left = cluster.pipelines();
    assert!(left.len() == 2 && left[0].1 == "Running" && left[0].2.contains("'old:9092'"), "{left:?}");
}

#[test]
fn nothing_is_made_where_a_text_is_not_sound() {
    let cluster = Cluster::start(Faults {
        udf: Some((
            "fn id_text(".to_owned(),
            "error[E0308]: mismatched types\n --> src/lib.rs:12:5".to_owned(),
        )),
        ..Faults::default()
    });
    let deploy = |arguments: &[&str]| {
        let all = [&["deploy", "--brokers", "kafka:9092"], arguments].concat();
        arroyo(&cluster.url, &all)
    };
    let error = refused(&deploy(&[]), 2);
    assert!(error.contains("id_text.rs does not compile on the cluster, so nothing was deployed"), "{error}");
    assert!(error.contains("src/lib.rs:12:5"), "{error}");
    cluster.set(Faults {
        query: Some(("user_features_daily".to_owned(), "Schema error: No field named tail".to_owned())),
        ..Faults::default()
    });
    let error = refused(&deploy(&[]), 2);
    assert!(error.contains("queries/user_features_daily.sql is refused by the cluster"), "{error}");
    assert!(error.contains("No field named tail"), "{error}");
    let error = refused(&deploy(&["user_features_hourly_raw", HOURLY]), 2);
    assert!(
        error.contains("user_features_hourly_raw and user_features_hourly write the same rows"),
        "{error}"
    );
    let error = refused(&deploy(&["hourly"]), 2);
    assert!(error.contains("no pipeline \"hourly\"; there are category_popularity"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let error = refused(&deploy(&["--sql", folder.path().to_str().unwrap()]), 2);
    assert!(error.contains("tables: No such file"), "{error}");
    assert_eq!(cluster.changes(), [""; 0]);
    assert_eq!(cluster.pipelines().len(), 0);
}

#[test]
fn own_texts_are_deployed_from_folders() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("sql/tables/a.sql", "CREATE TABLE a (x INT) WITH (bootstrap_servers = '${BROKERS}');\n");
    write("sql/queries/mine.sql", "-- tables: a\n-- udfs: f\nINSERT INTO a SELECT f(x) FROM a;\n");
    write("udfs/f.rs", "#[udf]\nfn f(x: i64) -> i64 { x }\n");
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (sql, udfs) = (path("sql"), path("udfs"));
    let places = ["--sql", &sql, "--udfs", &udfs, "--brokers", "k:1", "--json"];
    let cluster = Cluster::start(Faults::default());
    outcomes(&arroyo(&cluster.url, &[&["deploy"], &places[..]].concat()));
    assert_eq!(cluster.pipelines()[0].0, "mine");
    stdout(&arroyo(&cluster.url, &[&["diff"], &places[..]].concat()));
    write("udfs/f.rs", "#[udf]\nfn f(x: i64) -> i64 { x + 1 }\n");
    let output = arroyo(&cluster.url, &[&["diff"], &places[..]].concat());
    assert_eq!(output.status.code(), Some(1));
    let difference = json(&output)[0]["diff"].as_str().unwrap().to_owned();
    assert!(difference.contains("--- cluster/f.rs") && difference.contains("+fn f(x: i64) -> i64 { x + 1 }"));
}

#[test]
fn what_stopped_or_failed_goes_on() {
    let cluster = Cluster::start(Faults::default());
    let deploy = ["deploy", HOURLY, "--brokers", "kafka:9092", "--json"];
    outcomes(&arroyo(&cluster.url, &deploy));
    let stopped = stdout(&arroyo(&cluster.url, &["stop", HOURLY, "nobody"]));
    assert!(stopped.contains("pl_0001 stopped") && stopped.contains("is not there"), "{stopped}");
    assert_eq!(cluster.pipelines()[0].1, "Stopped");
    cluster.changes();
    stdout(&arroyo(&cluster.url, &["stop", HOURLY]));
    assert_eq!(cluster.changes(), [""; 0], "a stopped one is let be");
    let status = arroyo(&cluster.url, &["status", HOURLY, "--brokers", "kafka:9092"]);
    assert!(refused(&status, 1).contains("not running: user_features_hourly"));
    assert_eq!(outcomes(&arroyo(&cluster.url, &deploy))[0].1, "started");
    cluster.fail(HOURLY, "out of disk");
    let status = arroyo(&cluster.url, &["status", HOURLY, "--brokers", "kafka:9092"]);
    refused(&status, 1);
    assert!(String::from_utf8_lossy(&status.stdout).contains("out of disk"));
    let wider = [&deploy[..], &["--parallelism", "3"]].concat();
    assert_eq!(outcomes(&arroyo(&cluster.url, &wider))[0].1, "restarted");
    assert_eq!(cluster.pipelines()[0].1, "Running");
    let status = arroyo(&cluster.url, &["status", HOURLY, "--brokers", "kafka:9092", "--json"]);
    assert_eq!(json(&status)[0]["parallelism"], 3, "what starts again takes its parallelism as well");
    // One that failed on its way to a stop has to be told to run.
    cluster.fail_while_stopping(HOURLY, "a worker is gone");
    assert_eq!(outcomes(&arroyo(&cluster.url, &deploy))[0].1, "restarted");
    assert_eq!(cluster.pipelines()[0].1, "Running");
    stdout(&arroyo(&cluster.url, &["stop", HOURLY, "--mode", "immediate", "--delete"]));
    assert_eq!(cluster.pipelines().len(), 0);
}

#[test]
fn parallelism_and_interval_change_without_a_new_pipeline() {
    let cluster = Cluster::start(Faults::default());
    let deploy = ["deploy", HOURLY, "--brokers", "kafka:9092", "--json"];
    outcomes(&arroyo(&cluster.url, &[&deploy[..], &["--parallelism", "8"]].concat()));
    cluster.changes();
    assert_eq!(outcomes(&arroyo(&cluster.url, &deploy))[0].1, "unchanged", "what is not given stays");
    let tuned =
        arroyo(&cluster.url, &[&deploy[..], &["--parallelism", "2", "--checkpoint-interval", "60"]].concat());
    assert_eq!(outcomes(&tuned)[0].1, "tuned");
    assert_eq!(counted(&cluster.changes()).into_iter().collect::<Vec<_>>(), [("PATCH", 1)]);
    let status = arroyo(&cluster.url, &["status", HOURLY, "--brokers", "kafka:9092", "--json"]);
    assert_eq!(json(&status)[0]["parallelism"], 2);
}

#[test]
fn a_failure_in_the_middle_says_what_was_deployed() {
    let cluster =
        Cluster::start(Faults { broken: Some("user_features_daily".to_owned()), ..Faults::default() });
    let error = refused(&arroyo(&cluster.url, &["deploy", "--brokers", "kafka:9092"]), 1);
    for part in [
        "failed at POST pipelines (500): Something went wrong",
        "deployed before it: category_popularity; not begun: user_features_hourly, ",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    cluster.set(Faults::default());
    let again = outcomes(&arroyo(&cluster.url, &["deploy", "--brokers", "kafka:9092", "--json"]));
    let unchanged: Vec<_> = again.iter().filter(|(_, outcome)| outcome == "unchanged").collect();
    assert_eq!((unchanged.len(), unchanged[0].0.as_str()), (1, POPULARITY));
}

#[test]
fn a_cluster_without_slots_is_named_and_an_interrupted_wait_is_taken_up_again() {
    let cluster = Cluster::start(Faults { starved: Some(HOURLY.to_owned()), ..Faults::default() });
    let deploy = ["deploy", HOURLY, "--brokers", "kafka:9092"];
    let error = refused(&arroyo(&cluster.url, &[&deploy[..], &["--timeout", "1"]].concat()), 1);
    assert!(error.contains("still Scheduling after 1 s, expected Running"), "{error}");
    let mut command = hmisr();
    command.args(["arroyo", "deploy", "--api", &cluster.url]).args(&deploy[1..]);
    let mut running = Running::start(&mut command);
    running.line_with("Scheduling");
    let pid = i32::try_from(running.child.id()).unwrap();
    assert!(std::process::Command::new("kill").args(["-INT", &pid.to_string()]).status().unwrap().success());
    let line = running.line_with("stopped while it was Scheduling");
    assert!(line.contains("takes up from there"), "{line}");
    assert_eq!(running.child.wait().unwrap().code(), Some(1));
    assert_eq!(cluster.pipelines().len(), 1, "it was not made twice");
}

#[test]
fn what_is_no_arroyo_is_told_apart() {
    let asked = |url: &str, more: &[&str]| {
        arroyo(url, &[&["deploy", HOURLY, "--brokers", "kafka:9092"], more].concat())
    };
    let error = refused(&asked("http://127.0.0.1:1", &[]), 1);
    assert!(error.contains("does not answer at http://127.0.0.1:1/api/v1/ping"), "{error}");
    let error = refused(&asked("kafka:9092", &[]), 2);
    assert!(error.contains("--api \"kafka:9092\": expected http://host:port"), "{error}");
    let answers: [(StatusCode, &'static str, i32, &str); 4] = [
        (StatusCode::OK, "<html>Grafana</html>", 2, "does not answer as Arroyo 0.14 or 0.15 does"),
        (StatusCode::OK, "{\"pong\": true}", 2, "does not answer as Arroyo"),
        (
            StatusCode::NOT_FOUND,
            "{\"error\": \"Route not found\"}",
            2,
            "refuses GET ping (404): Route not found",
        ),
        (StatusCode::FOUND, "", 2, "does not answer as Arroyo"),
    ];
    for (status, body, code, expected) in answers {
        let (url, _runtime) = impostor(status, body);
        let error = refused(&asked(&url, &[]), code);
        assert!(error.contains(expected), "{status} {body}: {error}");
    }
    let cluster = Cluster::start(Faults { slow: Duration::from_secs(30), ..Faults::default() });
    let begun = Instant::now();
    let error = refused(&asked(&cluster.url, &["--request-timeout", "1"]), 1);
    assert!(error.contains("--request-timeout") && begun.elapsed() < Duration::from_secs(30), "{error}");
    let error = refused(&asked(&cluster.url, &["--brokers", "k'"]), 2);
    assert!(error.contains("--brokers") || error.contains("cannot be used multiple times"), "{error}");
}
