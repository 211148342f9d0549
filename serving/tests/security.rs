//! TLS, bearer tokens, and clients that mean harm: secrets stay secret, places are given back.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::common::{Running, Users, client, settings};
use hmisr_serving::{HttpServer, LookupClient, Metrics, ModelSlot, Settings, UserLookup};
use hmisr_stream::contract::Id;
use hmisr_testkit::until;

const TOKEN: &str = "s3cret-token-0123456789";

/// Settings with a certificate for 127.0.0.1 and a token, in files of `folder`.
fn secured(folder: &Path) -> Settings {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key, token) = (folder.join("cert.pem"), folder.join("key.pem"), folder.join("token"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
    Settings { tls_certificate: certificate, tls_key: key, bearer_token_file: token, ..settings() }
}

fn start(settings: Settings) -> Running {
    let users = Arc::new(Users::new(&[("1", &[])]));
    Running::start(settings, users, Arc::new(ModelSlot::new()), |api, _| api)
}

fn few(settings: Settings) -> Settings {
    Settings { max_connections: 2, request_timeout_ms: 100, idle_timeout_ms: 300, ..settings }
}

fn connect(server: &Running) -> TcpStream {
    TcpStream::connect(server.base.split("//").nth(1).unwrap()).unwrap()
}

#[test]
fn a_client_that_trusts_the_authority_and_has_the_token_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let settings = secured(folder.path());
    let server = start(settings.clone());
    assert!(server.base.starts_with("https://127.0.0.1:"), "{}", server.base);
    let trusting = Settings {
        lookup_urls: vec![server.base.clone()],
        lookup_ca: settings.tls_certificate.clone(),
        lookup_token_file: settings.bearer_token_file.clone(),
        lookup_timeout_ms: 10_000,
        ..Settings::default()
    };
    let id = Id::from(1);
    let found = LookupClient::new(&trusting).unwrap().user(&id).unwrap().unwrap();
    assert_eq!(found.user_id, id);
    LookupClient::new(&trusting).unwrap().ready().unwrap();

    let failed =
        |settings: Settings| LookupClient::new(&settings).unwrap().user(&id).unwrap_err().to_string();
    let stranger = failed(Settings { lookup_ca: Default::default(), ..trusting.clone() });
    assert!(stranger.contains(&server.base), "{stranger}");
    let nameless = failed(Settings { lookup_token_file: Default::default(), ..trusting.clone() });
    assert!(nameless.contains("401") && nameless.contains("bearer_token_file"), "{nameless}");
    let plain = failed(Settings { lookup_urls: vec![server.base.replace("https", "http")], ..trusting });
    for text in
        [stranger, nameless, plain, format!("{settings:?}"), serde_json::to_string(&settings).unwrap()]
    {
        assert!(!text.contains(TOKEN) && !text.contains("PRIVATE KEY"), "{text}");
    }
}

#[test]
fn everything_but_health_asks_for_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        tls_certificate: Default::default(),
        tls_key: Default::default(),
        ..secured(folder.path())
    };
    let server = start(settings);
    assert_eq!(server.get("/healthz").status, 200);
    for path in
        ["/", "/v1/users/1", "/v1/users/2", "/metrics", "/readyz", "/nowhere", "/healthz/x", "//healthz"]
    {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.error_kind().as_str()), (401, "unauthorized"), "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert!(!answer.text.contains(TOKEN));
    }
    let with = |authorization: &str| {
        let request = client().get(format!("{}/metrics", server.base)).header("authorization", authorization);
        let mut answer = request.call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    };
    for wrong in ["Bearer", "Bearer x", &format!("Basic {TOKEN}"), &format!("Bearer {TOKEN}0"), TOKEN] {
        assert_eq!(with(wrong).0, 401, "{wrong}");
    }
    let (status, metrics) = with(&format!("Bearer {TOKEN}"));
    assert_eq!(status, 200);
    assert!(metrics.contains("hmisr_serving_rejected_total{kind=\"unauthorized\"} 13"), "{metrics}");
    assert!(!metrics.contains(TOKEN));
}

#[test]
fn the_page_is_given_to_anybody_and_no_data_is() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        tls_certificate: Default::default(),
        tls_key: Default::default(),
        ..secured(folder.path())
    };
    let (server, _) = Running::paged(settings, Arc::new(Users::new(&[("1", &[])])));
    let ask = |path: &str, accept: &str, token: Option<&str>| {
        let mut request = client().get(format!("{}{path}", server.base)).header("accept", accept);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut answer = request.call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    };
    for path in ["/", "/page/app.js", "/page/base.css"] {
        let (status, text) = ask(path, "text/html", None);
        assert_eq!(status, 200, "{path}");
        assert!(!text.contains(TOKEN));
    }
    for path in [
        "/v1/activity",
        "/v1/users/1",
        "/v1/recommend?user_id=1",
        "/v1/model",
        "/metrics",
        "/readyz",
        "/page/",
        "/page/none.js",
        "/page/../metrics",
        "/page/%2e%2e/metrics",
        "/page/app.js/",
        "//",
        "/?x",
    ] {
        for accept in ["text/html", "*/*"] {
            // A query changes nothing of what `/` is.
            let public = path == "/?x" && accept == "text/html";
            assert_eq!(ask(path, accept, None).0, if public { 200 } else { 401 }, "{path} {accept}");
        }
    }
    assert_eq!(ask("/", "*/*", None).0, 401, "the list of endpoints is not the page");
    assert_eq!(ask("/v1/activity", "*/*", Some(TOKEN)).0, 200);
    let posted = client().post(format!("{}/", server.base)).header("accept", "text/html").send("x").unwrap();
    assert_eq!(posted.status().as_u16(), 401);
}

#[test]
fn files_that_do_not_fit_are_told_by_setting_and_name() {
    let folder = tempfile::tempdir().unwrap();
    let good = secured(folder.path());
    let (other, empty) = (folder.path().join("other"), folder.path().join("empty.pem"));
    std::fs::create_dir(&other).unwrap();
    std::fs::write(&empty, "").unwrap();
    let foreign = secured(&other);
    for (settings, setting) in [
        (Settings { tls_key: foreign.tls_key, ..good.clone() }, "tls_key"),
        (Settings { tls_key: good.tls_certificate.clone(), ..good.clone() }, "tls_key"),
        (Settings { tls_key: Default::default(), ..good.clone() }, "tls_key"),
        (Settings { tls_certificate: empty.clone(), ..good.clone() }, "tls_certificate"),
        (Settings { tls_certificate: "/nowhere.pem".into(), ..good.clone() }, "/nowhere.pem"),
    ] {
        let metrics = Arc::new(Metrics::new(&prometheus::Registry::new()).unwrap());
        let error = HttpServer::start(axum::Router::new(), settings, metrics, Arc::default());
        let error = error.unwrap_err().to_string();
        assert!(error.contains(setting), "{setting}: {error}");
    }
    for (settings, setting) in [
        (Settings { lookup_ca: empty, ..good.clone() }, "lookup_ca"),
        (Settings { lookup_token_file: "/nowhere".into(), ..good }, "lookup_token_file"),
    ] {
        let error = LookupClient::new(&settings).err().unwrap().to_string();
        assert!(error.contains(setting), "{setting}: {error}");
    }
}

#[test]
fn a_handshake_that_does_not_end_gives_its_place_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(few(secured(folder.path())));
    let mut silent: Vec<TcpStream> = (0..6).map(|_| connect(&server)).collect();
    // Some say a little, one speaks plain HTTP.
    silent[0].write_all(b"\x16\x03\x01\x02\x00\x01\x00").unwrap();
    silent[1].write_all(b"GET /healthz HTTP/1.1\r\n\r\n").unwrap();
    for mut stream in silent {
        // It ends, whether by a close or a reset.
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let ended = stream.read_to_end(&mut Vec::new());
        assert!(!matches!(&ended, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock), "{ended:?}");
    }
}

#[test]
fn requests_that_come_byte_by_byte_are_given_up() {
    let server = start(few(settings()));
    let (_running, ended) = std::sync::mpsc::channel::<()>();
    let mut slow: Vec<TcpStream> = (0..2).map(|_| connect(&server)).collect();
    slow.iter_mut().for_each(|stream| stream.write_all(b"GET /healthz HTTP/1.1\r\nx: ").unwrap());
    let dripping = std::thread::spawn(move || {
        let interval = Duration::from_millis(20);
        // Never silent, and never a whole request, until the test is over or the server closes.
        while ended.recv_timeout(interval) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            if slow.iter_mut().all(|stream| stream.write_all(b"y").is_err()) {
                return true;
            }
        }
        false
    });
    // Both places are taken: this is answered only when they are given back.
    assert_eq!(server.get("/healthz").status, 200);
    assert!(dripping.join().unwrap(), "the slow connections were closed");
}

#[test]
fn an_answer_that_nobody_takes_is_given_up() {
    let server = start(few(settings()));
    let mut greedy: Vec<TcpStream> = (0..2).map(|_| connect(&server)).collect();
    for stream in &mut greedy {
        stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
        // Many requests at once, and not one answer is read: what the sockets hold fills up.
        let requests = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1_000);
        let ended = loop {
            if let Err(error) = stream.write_all(&requests) {
                break error;
            }
        };
        assert_ne!(ended.kind(), std::io::ErrorKind::WouldBlock, "the server still waits");
    }
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn what_is_too_large_is_refused_by_its_size() {
    let server = start(settings());
    let answer_to = |request: &str| {
        let mut stream = connect(&server);
        // The server may close before all is written.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).chars().take(16).collect::<String>()
    };
    let header = format!("GET /healthz HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    let headers = format!("GET /healthz HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(2_000));
    for request in [header, headers] {
        let answer = answer_to(&request);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    let query = server.get(&format!("/v1/users/1?{}", "q".repeat(9_000)));
    assert_eq!((query.status, query.error_kind().as_str()), (414, "uri_too_long"));
    let far = answer_to(&format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 20)));
    assert!(far.is_empty() || far.starts_with("HTTP/1.1 4"), "{far}");
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn who_finds_no_place_is_answered_when_he_comes_again() {
    let server = start(Settings { max_connections: 8, max_connections_per_address: 8, ..few(settings()) });
    let url = format!("{}/v1/users/1", server.base);
    let answered = || {
        until("an answer", || match crate::common::get(&client(), &url) {
            // Its place was given to another, or there was none.
            Err(_) => false,
            Ok(answer) if answer.status == 503 => {
                assert_eq!(answer.error_kind(), "overloaded");
                assert_eq!(answer.header("connection"), Some("close"));
                false
            }
            Ok(answer) => answer.status == 200,
        });
    };
    std::thread::scope(|threads| (0..64).for_each(|_| drop(threads.spawn(answered))));
}
