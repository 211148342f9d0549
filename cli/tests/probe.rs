//! `hmisr probe` says whether a server on this machine is well, with TLS and token too.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::path::Path;
use std::process::Output;

use crate::common::{Running, hmisr};

const TOKEN: &str = "a-token-of-some-length";

/// A server without a model: it lives, and is not ready.
fn server(folder: &Path, set: &[String]) -> (Running, String) {
    let mut command = hmisr();
    command.args(["serve", "--listen", "127.0.0.1:0", "--pipeline", "http://127.0.0.1:9", "--snapshots"]);
    command.arg(folder.join("snapshots"));
    let running = Running::start(command.args(set));
    let port = running.address().rsplit(':').next().unwrap().to_owned();
    (running, port)
}

fn probe(port: &str, path: &str, set: &[String]) -> Output {
    hmisr().args(["probe", "--port", port, path]).args(set).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The options that set these.
fn settings(pairs: &[(&str, &Path)]) -> Vec<String> {
    pairs
        .iter()
        .flat_map(|(key, file)| ["--set".to_owned(), format!("serving.{key}={}", file.display())])
        .collect()
}

#[test]
fn alive_is_not_ready_and_gone_is_neither() {
    let folder = tempfile::tempdir().unwrap();
    let (server, port) = server(folder.path(), &[]);
    assert!(probe(&port, "/healthz", &[]).status.success());
    let ready = probe(&port, "/readyz", &[]);
    assert_eq!(ready.status.code(), Some(1), "{}", said(&ready));
    assert!(said(&ready).contains("503"), "{}", said(&ready));
    server.signal("TERM");
    assert!(server.wait().0);
    let gone = probe(&port, "/healthz", &[]);
    assert_eq!(gone.status.code(), Some(1), "{}", said(&gone));
}

#[test]
fn tls_and_token_are_those_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["pipeline-0.example".to_owned()]).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let certificate = file("tls.crt", &made.cert.pem());
    let key = file("tls.key", &made.signing_key.serialize_pem());
    let (token, other) = (file("token", TOKEN), file("other", "another-token-than-that"));
    let tls: [(&str, &Path); 2] = [("tls_certificate", &certificate), ("tls_key", &key)];
    let all = settings(&[tls[0], tls[1], ("bearer_token_file", &token)]);
    let (_server, port) = server(folder.path(), &all);
    assert!(probe(&port, "/healthz", &all).status.success());
    assert!(said(&probe(&port, "/readyz", &all)).contains("503"), "the token is shown");
    let wrong = settings(&[tls[0], tls[1], ("bearer_token_file", &other)]);
    assert!(said(&probe(&port, "/readyz", &wrong)).contains("401"));
    assert_eq!(probe(&port, "/healthz", &[]).status.code(), Some(1), "plain HTTP is not answered");
}
