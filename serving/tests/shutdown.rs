//! Stopping accepts nothing more, answers what is in flight, and ends at its deadline.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::common::{Running, Shelf, Users, client, get, settings};
use hmisr_serving::{Ended, Error, HttpServer, Settings, Watcher};
use hmisr_testkit::until;

fn served(settings: Settings) -> (Running, Arc<Shelf>) {
    let server = Running::serving(settings, Arc::new(Users::default()));
    let shelf = Arc::new(Shelf::default());
    shelf.latest.store(1, Ordering::SeqCst);
    let interval = Duration::from_secs(1);
    Watcher::new(shelf.clone(), server.slot.clone(), server.metrics.clone(), interval).check();
    (server, shelf)
}

fn patient() -> Settings {
    Settings {
        request_timeout_ms: 60_000,
        idle_timeout_ms: 120_000,
        shutdown_timeout_ms: 60_000,
        ..settings()
    }
}

#[test]
fn requests_in_flight_are_answered() {
    let (server, shelf) = served(patient());
    shelf.door.shut();
    let url = format!("{}/v1/recommend?user_id=1", server.base);
    let address = server.base.trim_start_matches("http://").to_owned();
    // Neither an idle kept connection nor a silent one holds the end up.
    let kept = client();
    assert_eq!(get(&kept, &format!("{}/healthz", server.base)).unwrap().status, 200);
    let _silent = TcpStream::connect(&address).unwrap();
    std::thread::scope(|threads| {
        let asking = threads.spawn(|| get(&client(), &url).unwrap());
        until("the request to be in flight", || server.metric("hmisr_serving_in_flight_requests") >= 2.0);
        server.begin_stop();
        until("new connections to be refused", || TcpStream::connect(&address).is_err());
        shelf.door.open();
        let answer = asking.join().unwrap();
        assert_eq!((answer.status, &answer.json()["model_version"]), (200, &1.into()));
    });
    assert_eq!(server.stop(), Ended::Drained);
}

#[test]
fn the_end_does_not_wait_for_ever() {
    let (server, shelf) = served(Settings { shutdown_timeout_ms: 50, ..patient() });
    shelf.door.shut();
    let url = format!("{}/v1/recommend?user_id=1", server.base);
    let asking = std::thread::spawn(move || get(&client(), &url).is_err());
    until("the request to be in flight", || server.metric("hmisr_serving_in_flight_requests") >= 2.0);
    assert_eq!(server.stop(), Ended::DeadlinePassed);
    assert!(asking.join().unwrap(), "an unanswered request ends with its connection");
    shelf.door.open();
}

#[test]
fn an_address_that_is_taken_is_named() {
    let (server, _shelf) = served(settings());
    let listen = server.base.trim_start_matches("http://").to_owned();
    let error = HttpServer::start(
        axum::Router::new(),
        Settings { listen: listen.clone(), ..settings() },
        server.metrics.clone(),
        Default::default(),
    )
    .unwrap_err();
    assert!(matches!(error, Error::Listen { .. }));
    assert!(error.to_string().contains(&listen) && error.to_string().contains("serving.listen"), "{error}");
}
