//! Arbitrary requests over a real socket: never a 5xx, never a panic, always JSON.
//! `PROPTEST_CASES` sets how many are tried.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::common::{Running, Shelf, Users, settings};
use hmisr_serving::Watcher;
use proptest::prelude::*;
use proptest::sample::select;

fn server() -> &'static Running {
    static SERVER: OnceLock<Running> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = Running::paged(settings(), Arc::new(Users::new(&[("42", &[])]))).0;
        let shelf = Arc::new(Shelf::default());
        shelf.latest.store(1, Ordering::SeqCst);
        let interval = Duration::from_secs(1);
        Watcher::new(shelf, server.slot.clone(), server.metrics.clone(), interval).check();
        server
    })
}

/// Status, and body.
fn ask(request: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(server().base.trim_start_matches("http://")).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

fn piece() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "/",
        "/v1/",
        "users/",
        "recommend",
        "model",
        "activity",
        "since=",
        "page/",
        "?",
        "&",
        "user_id=",
        "k=",
        "42",
        "%",
        "%00",
        "%2F",
        "%ff",
        "..",
        "//",
        "%C3%BC",
        "+",
        "=",
        "#",
        "metrics",
        "readyz",
        "%25",
        "99999999999999999999",
        "-1",
        "*",
        "http://",
        "\\",
    ];
    prop_oneof![
        6 => select(KNOWN).prop_map(str::to_owned),
        2 => "[!-~]{0,8}",
        1 => "%[0-9a-fA-F]{2}",
        1 => (0..3_000usize).prop_map(|length| "x".repeat(length)),
    ]
}

fn target() -> impl Strategy<Value = String> {
    let start = select(&["/", "/v1/users/", "/v1/recommend?", "/v1/recommend?user_id=42&", ""][..]);
    (start, prop::collection::vec(piece(), 0..8))
        .prop_map(|(start, pieces)| format!("{start}{}", pieces.concat()))
}

proptest! {
    #[test]
    fn every_target_gets_an_answer(
        target in target(),
        method in select(&["GET", "GET", "GET", "HEAD", "POST", "DELETE", "OPTIONS", "BREW"][..]),
    ) {
        let request = format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let (status, body) = ask(request.as_bytes());
        prop_assert!((200..500).contains(&status), "{status}: {target}");
        if body.is_empty() {
            // What is no HTTP is answered by the protocol alone.
            let is_uri = target.parse::<axum::http::Uri>().is_ok();
            prop_assert!(method == "HEAD" || (status == 400 && !is_uri) || status == 414, "{status}: {target}");
        } else if !target.contains("metrics") {
            let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
            prop_assert_eq!(status >= 400, answer["error"]["message"].is_string(), "{}", body);
        }
    }

    #[test]
    fn any_bytes_leave_the_server_well(bytes in prop::collection::vec(any::<u8>(), 1..300)) {
        let mut stream = TcpStream::connect(server().base.trim_start_matches("http://")).unwrap();
        stream.write_all(&bytes).unwrap();
        // Whatever came, no more does.
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        prop_assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{answer:?}");
        let (status, _) = ask(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        prop_assert_eq!(status, 200);
    }
}
