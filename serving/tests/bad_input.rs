//! What cannot be answered gets the right status, and an error that says what to do.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::common::{Running, Shelf, Users, client, settings};
use hmisr_serving::Watcher;
use hmisr_stream::contract::Id;

fn served() -> Running {
    let server = Running::serving(
        settings(),
        Arc::new(Users::new(&[("42", &[]), ("43", &[Id::text("panic").unwrap()])])),
    );
    let shelf = Arc::new(Shelf::default());
    shelf.latest.store(1, Ordering::SeqCst);
    Watcher::new(shelf, server.slot.clone(), server.metrics.clone(), Duration::from_secs(1)).check();
    server
}

#[test]
fn every_bad_request_is_told_what_is_wrong() {
    let server = served();
    let long = "x".repeat(129);
    let too_long = "x".repeat(9_000);
    for (path, status, kind, named) in [
        ("/v1/recommend", 400, "bad_parameter", "`user_id` is missing"),
        ("/v1/recommend?user_id=", 400, "bad_parameter", "empty"),
        ("/v1/recommend?user_id=42&k=0", 400, "bad_parameter", "`k`"),
        ("/v1/recommend?user_id=42&k=-1", 400, "bad_parameter", "`k`"),
        ("/v1/recommend?user_id=42&k=1e9", 400, "bad_parameter", "\"1e9\""),
        ("/v1/recommend?user_id=42&k=1000000000", 400, "bad_parameter", "from 1 to 100"),
        ("/v1/recommend?user_id=42&k=", 400, "bad_parameter", "`k`"),
        ("/v1/recommend?user_id=42&limit=5", 400, "bad_parameter", "`limit`"),
        ("/v1/recommend?user_id=42&user_id=43", 400, "bad_parameter", "twice"),
        ("/v1/recommend?user_id=%ff%fe", 400, "bad_parameter", "UTF-8"),
        ("/v1/recommend?user_id=%zz", 400, "bad_parameter", "hexadecimal"),
        (&format!("/v1/recommend?user_id={long}"), 400, "bad_parameter", "129 bytes"),
        (&format!("/v1/users/{long}"), 400, "bad_parameter", "129 bytes"),
        ("/v1/users/%ff", 400, "bad_parameter", "UTF-8"),
        ("/v1/users/%4", 400, "bad_parameter", "hexadecimal"),
        ("/v1/users/44", 404, "unknown_user", "\"44\""),
        ("/v1/users/9223372036854775808", 404, "unknown_user", "9223372036854775808"),
        ("/v1/users/-1", 404, "unknown_user", "\"-1\""),
        ("/v1/users/042", 404, "unknown_user", "\"042\""),
        ("/v1/users/", 404, "unknown_path", "/v1/users/"),
        ("/v1/users/1/2", 404, "unknown_path", "GET /"),
        ("/v2/recommend?user_id=1", 404, "unknown_path", "/v2/recommend"),
        (&format!("/{too_long}"), 414, "uri_too_long", "9001 bytes"),
    ] {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.error_kind().as_str()), (status, kind), "{path}: {}", answer.text);
        assert!(answer.text.contains(&named.replace('"', "\\\"")), "{path}: {named}: {}", answer.text);
        assert!(answer.text.len() < 600, "{path}: {}", answer.text);
    }
    assert_eq!(server.metric("hmisr_serving_rejected_total{kind=\"bad_parameter\"}"), 15.0);
    assert_eq!(server.metric("hmisr_serving_rejected_total{kind=\"unknown_user\"}"), 4.0);
    assert_eq!(server.metric("hmisr_serving_request_seconds_count{endpoint=\"other\",status=\"4xx\"}"), 4.0);
}

#[test]
fn other_methods_and_bodies_are_refused() {
    let server = served();
    let url = format!("{}/v1/users/42", server.base);
    let mut response = client().post(&url).send("{}").unwrap();
    assert_eq!(response.status().as_u16(), 405);
    assert!(response.headers()["allow"].to_str().unwrap().contains("GET"));
    assert!(response.body_mut().read_to_string().unwrap().contains("method_not_allowed"));
    let mut response = client().post(&url).send(&*"x".repeat(10_000)).unwrap();
    assert_eq!(response.status().as_u16(), 413);
    assert!(response.body_mut().read_to_string().unwrap().contains("10000 bytes"));
    let url = format!("{}/v1/recommend?user_id=42", server.base);
    assert_eq!(client().head(&url).call().unwrap().status().as_u16(), 200);
    let mut response = client().delete(&url).call().unwrap();
    assert_eq!(response.status().as_u16(), 405);
    assert!(response.body_mut().read_to_string().unwrap().contains("use GET or POST"));
    assert_eq!(server.get("/v1/model").status, 200);
}

#[test]
fn a_panic_in_the_model_is_an_answer() {
    let server = served();
    let answer = server.get("/v1/recommend?user_id=43");
    assert_eq!((answer.status, answer.error_kind().as_str()), (500, "internal"));
    assert_eq!(server.get("/v1/recommend?user_id=42").status, 200);
}

#[test]
fn what_is_no_http_ends_its_own_connection_only() {
    let server = served();
    let address = server.base.trim_start_matches("http://");
    for bytes in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"GET nonsense\r\n\r\n", b"\r\n\r\n\0\0\0\0\r\n\r\n"]
    {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // A reset is as good an end as a 400.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
    }
    assert_eq!(server.get("/v1/recommend?user_id=42").status, 200);
}
