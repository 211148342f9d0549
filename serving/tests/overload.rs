//! More than the bounds allow is refused at once, and what takes too long is given up.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::common::{Running, Shelf, Users, settings};
use hmisr_serving::{Settings, Watcher};
use hmisr_testkit::until;

fn served(settings: Settings) -> (Running, Arc<Shelf>) {
    let server = Running::serving(settings, Arc::new(Users::default()));
    let shelf = Arc::new(Shelf::default());
    shelf.latest.store(1, Ordering::SeqCst);
    let interval = Duration::from_secs(1);
    Watcher::new(shelf.clone(), server.slot.clone(), server.metrics.clone(), interval).check();
    (server, shelf)
}

const PATH: &str = "/v1/recommend?user_id=1";
const WAITING: &str = "hmisr_serving_waiting_requests{place=\"compute\"}";

#[test]
fn what_exceeds_the_queue_is_refused() {
    let patient = Settings { max_concurrency: 1, max_queue: 2, request_timeout_ms: 60_000, ..settings() };
    let (server, shelf) = served(Settings { idle_timeout_ms: 120_000, ..patient });
    shelf.door.shut();
    std::thread::scope(|threads| {
        let asking: Vec<_> = (0..3).map(|_| threads.spawn(|| server.get(PATH))).collect();
        until("one to run and two to wait", || server.metric(WAITING) == 2.0);
        let answer = server.get(PATH);
        assert_eq!((answer.status, answer.error_kind().as_str()), (503, "overloaded"));
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert!(answer.text.contains("max_queue"), "{}", answer.text);
        // What needs no computation is answered all the same.
        assert_eq!(server.get("/v1/model").status, 200);
        assert_eq!(server.get("/readyz").status, 200);
        shelf.door.open();
        for asked in asking {
            assert_eq!(asked.join().unwrap().status, 200);
        }
    });
    assert_eq!(server.metric(WAITING), 0.0);
    assert_eq!(server.metric("hmisr_serving_rejected_total{kind=\"overloaded\"}"), 1.0);
    assert_eq!(server.get(PATH).status, 200);
}

#[test]
fn what_takes_too_long_is_given_up_and_keeps_its_place() {
    let (server, shelf) =
        served(Settings { max_concurrency: 1, max_queue: 0, request_timeout_ms: 50, ..settings() });
    shelf.door.shut();
    let answer = server.get(PATH);
    assert_eq!((answer.status, answer.error_kind().as_str()), (503, "timeout"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    // The computation still runs: another beside it would exceed the bound.
    assert_eq!(server.get(PATH).error_kind(), "overloaded");
    shelf.door.open();
    until("the place to be free", || server.get(PATH).status == 200);
    assert!(server.metric("hmisr_serving_rejected_total{kind=\"timeout\"}") >= 1.0);
}

#[test]
fn silent_connections_give_their_places_back() {
    let few = Settings { max_connections: 2, request_timeout_ms: 100, idle_timeout_ms: 200, ..settings() };
    let (server, _shelf) = served(few);
    let address = server.base.trim_start_matches("http://");
    let silent: Vec<_> = (0..8).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    // Two are accepted, six wait in the backlog and this request behind them: it is answered
    // only if the silent ones are closed in turn.
    assert_eq!(server.get("/healthz").status, 200);
    drop(silent);
}
