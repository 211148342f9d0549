//! Clients that mean harm, or are broken: they take nothing from others, and learn nothing that is not theirs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::common::{Door, Running, Shelf, Users, client, get, settings};
use hmisr_serving::{LookupError, ModelSlot, Settings, UserLookup, Watcher};
use hmisr_stream::contract::{Id, UserView};
use hmisr_testkit::until;

/// So long that whatever waits for it fails the test.
const NEVER_MS: u64 = 600_000;

fn patient(settings: Settings) -> Settings {
    Settings {
        request_timeout_ms: NEVER_MS / 2,
        idle_timeout_ms: NEVER_MS,
        header_timeout_ms: NEVER_MS,
        ..settings
    }
}

fn start(settings: Settings) -> Running {
    let users = Arc::new(Users::new(&[("1", &[])]));
    Running::start(settings, users, Arc::new(ModelSlot::new()), |api, _| api)
}

fn address(server: &Running) -> SocketAddr {
    server.base.split("//").nth(1).unwrap().parse().unwrap()
}

/// A connection from this address of the machine.
fn connect_from(from: &str, server: &Running) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
        socket.connect(address(server)).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// What comes back for these bytes until the server closes.
fn answer(server: &Running, request: &str) -> String {
    let mut stream = connect_from("127.0.0.1", server);
    // The server may close before all is written.
    let _ = stream.write_all(request.as_bytes());
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn two_hundred_slow_connections_hold_nobody_up() {
    let server = start(patient(Settings { max_connections: 50, ..settings() }));
    let slow: Vec<TcpStream> = (0..200)
        .map(|at| {
            let mut stream = connect_from(&format!("127.0.0.{}", 2 + at % 4), &server);
            let _ = stream.write_all(b"GET /v1/users/1 HTTP/1.1\r\nx: ");
            stream
        })
        .collect();
    for path in ["/healthz", "/readyz", "/v1/users/1", "/metrics"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    let closed = server.metric("hmisr_serving_displaced_connections_total")
        + server.metric("hmisr_serving_refused_connections_total");
    assert!(closed >= 100.0, "{closed}");
    assert!(server.metric("hmisr_serving_connections") <= 66.0);
    drop(slow);
}

#[test]
fn bodies_that_never_come_hold_nobody_up() {
    let settings = patient(Settings { max_connections: 50, ..settings() });
    let server = Running::serving(settings, Arc::new(Users::new(&[("1", &[])])));
    let slow: Vec<TcpStream> = (0..200)
        .map(|at| {
            let mut stream = connect_from(&format!("127.0.0.{}", 2 + at % 4), &server);
            let head = "POST /v1/recommend HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{";
            let _ = stream.write_all(head.as_bytes());
            stream
        })
        .collect();
    for path in ["/healthz", "/v1/users/1", "/metrics"] {
        // The youngest have their tenth of a second first.
        until("a place", || server.get(path).status == 200);
    }
    assert!(server.metric("hmisr_serving_displaced_connections_total") > 0.0);
    drop(slow);
}

#[test]
fn a_server_whose_places_are_all_in_use_still_says_how_it_is() {
    let few = Settings { max_connections: 2, max_connections_per_address: 2, ..settings() };
    let server = Running::serving(patient(few), Arc::new(Users::default()));
    let shelf = Arc::new(Shelf::default());
    shelf.latest.store(1, Ordering::SeqCst);
    Watcher::new(shelf.clone(), server.slot.clone(), server.metrics.clone(), Duration::from_secs(1)).check();
    shelf.door.shut();
    std::thread::scope(|threads| {
        // Who looks takes a place himself for a moment: then there is none for one of the two, who comes again.
        let ask = || until("an answer", || server.get("/v1/recommend?user_id=1").status == 200);
        (0..2).for_each(|_| drop(threads.spawn(ask)));
        until("both to be answered", || server.metric("hmisr_serving_in_flight_requests") >= 3.0);
        for path in ["/healthz", "/readyz", "/metrics"] {
            let answer = server.get(path);
            assert_eq!((answer.status, answer.header("connection")), (200, Some("close")), "{path}");
        }
        let answer = server.get("/v1/model");
        assert_eq!((answer.status, answer.error_kind().as_str()), (503, "overloaded"));
        assert_eq!((answer.header("retry-after"), answer.header("connection")), (Some("1"), Some("close")));
        assert!(answer.text.contains("max_connections"), "{}", answer.text);
        shelf.door.open();
    });
    assert_eq!(server.get("/v1/model").status, 200);
}

#[test]
fn an_address_takes_only_its_share() {
    let bounds = Settings { max_connections: 40, max_connections_per_address: 5, ..settings() };
    let server = start(patient(bounds));
    let kept = client();
    let url = format!("{}/v1/users/1", server.base);
    assert_eq!(get(&kept, &url).unwrap().status, 200);
    let many: Vec<TcpStream> = (0..60)
        .map(|_| {
            let mut stream = connect_from("127.0.0.9", &server);
            let _ = stream.write_all(b"GET /v1/users/1 HTTP/1.1\r\nx: ");
            stream
        })
        .collect();
    // Five are its share, sixteen more may ask for health; all others are closed, and nobody else's.
    let closed = || {
        let is_closed = |mut stream: &TcpStream| {
            stream.set_nonblocking(true).unwrap();
            match stream.read(&mut [0; 64]) {
                Ok(0) => true,
                Ok(_) => false,
                Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
            }
        };
        many.iter().filter(|stream| is_closed(stream)).count()
    };
    until("its surplus to be closed", || closed() >= 60 - 5 - 16);
    let open = server.metric("hmisr_serving_connections");
    assert!(open <= 5.0 + 16.0 + 2.0, "{open}: the kept one, and this question's, are more");
    // The kept connection is as it was: a client that had to connect anew would be counted.
    let before = server.metric("hmisr_serving_displaced_connections_total");
    assert_eq!(get(&kept, &url).unwrap().status, 200);
    assert_eq!(server.metric("hmisr_serving_displaced_connections_total"), before);
    drop(many);
}

/// Whose users are never found, and who is ready.
#[derive(Default)]
struct Stuck(Door);

impl UserLookup for Stuck {
    fn user(&self, _: &Id) -> Result<Option<UserView>, LookupError> {
        self.0.pass();
        Ok(None)
    }

    fn ready(&self) -> Result<(), LookupError> {
        Ok(())
    }
}

#[test]
fn look_ups_that_hang_do_not_make_a_server_unready() {
    let stuck = Arc::new(Stuck::default());
    stuck.0.shut();
    let few = Settings { max_lookups: 1, max_queue: 0, ..settings() };
    let server = Running::start(patient(few), stuck.clone(), Arc::new(ModelSlot::new()), |api, _| api);
    std::thread::scope(|threads| {
        let asking = threads.spawn(|| server.get("/v1/users/1").status);
        until("the place to be taken", || server.metric("hmisr_serving_in_flight_requests") >= 2.0);
        assert_eq!(server.get("/v1/users/2").error_kind(), "overloaded");
        assert_eq!(server.get("/readyz").status, 200);
        stuck.0.open();
        assert_eq!(asking.join().unwrap(), 404);
    });
}

#[test]
fn a_request_that_was_begun_must_end_in_time() {
    let server = start(Settings { header_timeout_ms: 200, ..patient(settings()) });
    // A kept connection may be silent for longer than that, and then ask again.
    let (kept, url) = (client(), format!("{}/v1/users/1", server.base));
    assert_eq!(get(&kept, &url).unwrap().status, 200);
    let (_running, ended) = std::sync::mpsc::channel::<()>();
    let mut slow = connect_from("127.0.0.1", &server);
    slow.write_all(b"GET /v1/users/1 HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut first = [0; 4_096];
    assert!(slow.read(&mut first).unwrap() > 0);
    slow.write_all(b"GET /v1/users/1 HTTP/1.1\r\nx: ").unwrap();
    // Never silent, and never a whole request, until the server closes.
    while ended.recv_timeout(Duration::from_millis(20)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
        if slow.write_all(b"y").is_err() {
            break;
        }
    }
    assert_eq!(get(&kept, &url).unwrap().status, 200);
    assert_eq!(server.metric("hmisr_serving_displaced_connections_total"), 0.0);
}

#[test]
fn a_body_that_never_comes_is_not_waited_for() {
    let server = start(patient(settings()));
    for body in ["content-length: 100\r\n\r\nx", "transfer-encoding: chunked\r\n\r\n5\r\nab"] {
        let text = answer(&server, &format!("POST /v1/users/1 HTTP/1.1\r\nhost: localhost\r\n{body}"));
        assert!(text.starts_with("HTTP/1.1 405"), "{text}");
    }
}

#[test]
fn a_client_that_has_said_all_still_gets_its_answer() {
    let server = start(settings());
    let mut stream = connect_from("127.0.0.1", &server);
    stream.write_all(b"GET /v1/users/1 HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("\"user_id\":1"), "{text}");
}

#[test]
fn a_head_is_as_long_as_is_said_and_no_longer() {
    let server = start(settings());
    let most = (16 << 10) + 2 * settings().max_request_bytes;
    let head = |length: usize| {
        let rest = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx: \r\n\r\n";
        rest.replace("x: ", &format!("x: {}", "y".repeat(length - rest.len())))
    };
    assert!(answer(&server, &head(most)).starts_with("HTTP/1.1 200"));
    for longer in [most + 1, most + 1_000, 50_000, 400_000] {
        let text = answer(&server, &head(longer));
        assert!(
            text.starts_with("HTTP/1.1 431") || (text.is_empty() && longer > most + 1),
            "{longer}: {text}"
        );
    }
}

#[test]
fn only_its_own_hosts_are_answered() {
    let server = start(Settings { allowed_hosts: vec!["shop.example.org".to_owned()], ..settings() });
    let asked = |path: &str, hosts: &str| {
        let text = answer(&server, &format!("GET {path} HTTP/1.1\r\n{hosts}connection: close\r\n\r\n"));
        text.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    for path in ["/v1/users/1", "/readyz", "/metrics", "/", "/nowhere"] {
        assert_eq!(asked(path, "host: rebound.evil.org\r\n"), "421", "{path}");
        assert_eq!(asked(path, ""), "400", "{path}");
        assert_eq!(asked(path, "host: localhost\r\nhost: localhost\r\n"), "400", "{path}");
    }
    assert_eq!(asked("http://rebound.evil.org/v1/users/1", "host: localhost\r\n"), "421");
    for host in ["localhost:8080", "127.0.0.1", "10.0.0.1", "[::1]:1", "SHOP.example.org:443"] {
        assert_eq!(asked("/v1/users/1", &format!("host: {host}\r\n")), "200", "{host}");
    }
    // Who asks whether it lives need not know its name.
    assert_eq!(asked("/healthz", "host: rebound.evil.org\r\n"), "200");
    assert_eq!(asked("/healthz", ""), "200");
    assert_eq!(server.metric("hmisr_serving_rejected_total{kind=\"unknown_host\"}"), 6.0);
    assert_eq!(server.metric("hmisr_serving_rejected_total{kind=\"bad_header\"}"), 10.0);
}

#[test]
fn a_token_is_presented_once() {
    const TOKEN: &str = "s3cret-token-0123456789";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    let server = start(Settings { bearer_token_file: file, ..settings() });
    let (right, wrong) = (format!("authorization: Bearer {TOKEN}\r\n"), "authorization: Bearer x\r\n");
    let asked = |headers: &str| {
        // With a token, any host is.
        answer(
            &server,
            &format!("GET /v1/users/1 HTTP/1.1\r\nhost: serve\r\nconnection: close\r\n{headers}\r\n"),
        )
    };
    assert!(asked(&right).starts_with("HTTP/1.1 200"));
    for twice in [format!("{right}{wrong}"), format!("{wrong}{right}"), format!("{right}{right}")] {
        let text = asked(&twice);
        assert!(text.starts_with("HTTP/1.1 400") && text.contains("bad_header"), "{text}");
        assert!(!text.contains(TOKEN));
    }
    assert!(asked("").starts_with("HTTP/1.1 401"));
}

#[test]
fn an_id_in_quotes_is_told_that_it_is_another() {
    let server = start(settings());
    let answer = server.get("/v1/users/%221%22");
    assert_eq!((answer.status, answer.error_kind().as_str()), (404, "unknown_user"));
    assert!(answer.text.contains("without quotes"), "{}", answer.text);
    assert_eq!(server.get("/v1/users/1").json()["user_id"], 1);
}
