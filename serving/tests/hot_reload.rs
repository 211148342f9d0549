//! Versions swap while clients ask: no request fails, and each is answered by one version.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{Door, Running, Shelf, Users, client, get, item, settings};
use hmisr_serving::{Model, ModelError, ModelLoader, Watcher};
use hmisr_testkit::until;

const CLIENTS: usize = 4;
const SWAPS: u64 = 60;

#[test]
fn no_request_fails_while_versions_swap() {
    let shelf = Arc::new(Shelf::default());
    let users = Users::new(&[("42", &[item(1, 0), item(2, 1)])]);
    let server = Running::serving(settings(), Arc::new(users));
    let stop = Arc::new(AtomicBool::new(false));
    let interval = Duration::from_millis(10);
    let watcher = Watcher::new(shelf.clone(), server.slot.clone(), server.metrics.clone(), interval);
    let watching = watcher.spawn(stop.clone()).unwrap();
    shelf.latest.store(1, Ordering::SeqCst);
    until("the first version", || server.slot.version() == Some(1));

    let answered = AtomicUsize::new(0);
    let newest_answered = AtomicU64::new(0);
    std::thread::scope(|threads| {
        for _ in 0..CLIENTS {
            threads.spawn(|| {
                let client = client();
                let mut newest = 0;
                while !stop.load(Ordering::SeqCst) {
                    let url = format!("{}/v1/recommend?user_id=42&k=100", server.base);
                    let answer = get(&client, &url).unwrap();
                    assert_eq!(answer.status, 200, "{}", answer.text);
                    let json = answer.json();
                    let version = json["model_version"].as_u64().unwrap();
                    assert_eq!(answer.header("hmisr-model-version"), Some(version.to_string().as_str()));
                    let items = json["items"].as_array().unwrap();
                    assert_eq!(items.len(), 100);
                    let of_version = format!("v{version}-");
                    for item in items {
                        assert!(item["item_id"].as_str().unwrap().starts_with(&of_version), "{json}");
                    }
                    // One client asks in turn, so versions never go back.
                    assert!(version >= newest, "{version} after {newest}");
                    newest = version;
                    newest_answered.fetch_max(version, Ordering::SeqCst);
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        // Every version, damaged ones apart, is seen by a client before the next is published.
        for version in 2..=SWAPS {
            shelf.latest.store(version, Ordering::SeqCst);
            if version % 10 == 7 {
                let failures = || server.metric("hmisr_serving_reload_failures_total");
                until("the failure to be counted", || failures() >= (version / 10 + 1) as f64);
            } else {
                let served = || newest_answered.load(Ordering::SeqCst) == version;
                until("an answer by the version", || served() || stop.load(Ordering::SeqCst));
            }
        }
        stop.store(true, Ordering::SeqCst);
    });
    watching.join().unwrap();

    let damaged = SWAPS / 10;
    assert_eq!(server.metric("hmisr_serving_swaps_total"), (SWAPS - damaged) as f64);
    assert_eq!(server.metric("hmisr_serving_model_version"), SWAPS as f64);
    let served = answered.load(Ordering::SeqCst);
    assert!(served as u64 >= SWAPS - damaged, "{served}");
    let counted = server.metric("hmisr_serving_recommendations_total{source=\"model\"}");
    assert_eq!(counted, served as f64);
    until("old models to be freed", || shelf.alive.load(Ordering::SeqCst) == 1);
}

#[test]
fn a_request_keeps_the_model_that_it_began_with() {
    let shelf = Arc::new(Shelf::default());
    let server = Running::serving(settings(), Arc::new(Users::default()));
    let mut watcher =
        Watcher::new(shelf.clone(), server.slot.clone(), server.metrics.clone(), Duration::from_millis(10));
    shelf.latest.store(1, Ordering::SeqCst);
    watcher.check();
    shelf.door.shut();
    std::thread::scope(|threads| {
        let asking = threads.spawn(|| server.get("/v1/recommend?user_id=1").json());
        // The scrape itself is in flight too.
        until("the request to be in flight", || server.metric("hmisr_serving_in_flight_requests") >= 2.0);
        shelf.latest.store(2, Ordering::SeqCst);
        watcher.check();
        assert_eq!(server.slot.version(), Some(2));
        assert_eq!(shelf.alive.load(Ordering::SeqCst), 2);
        shelf.door.open();
        let json = asking.join().unwrap();
        assert_eq!(json["model_version"], 1);
        assert_eq!(json["items"][0]["item_id"], "v1-0");
    });
    until("the old model to be freed", || shelf.alive.load(Ordering::SeqCst) == 1);
}

#[test]
fn a_damaged_version_leaves_the_old_one_serving() {
    let shelf = Arc::new(Shelf::default());
    let server = Running::serving(settings(), Arc::new(Users::default()));
    let mut watcher =
        Watcher::new(shelf.clone(), server.slot.clone(), server.metrics.clone(), Duration::from_millis(10));
    for version in [6, 7] {
        shelf.latest.store(version, Ordering::SeqCst);
        watcher.check();
        assert_eq!(server.get("/v1/recommend?user_id=1").json()["model_version"], 6);
    }
    assert_eq!(server.metric("hmisr_serving_reload_failures_total"), 1.0);
    assert_eq!(server.get("/readyz").status, 200);
    shelf.latest.store(8, Ordering::SeqCst);
    watcher.check();
    assert_eq!(server.get("/v1/recommend?user_id=1").json()["model_version"], 8);
}

/// A shelf on a mount that hangs while its door is shut.
#[derive(Default)]
struct Mount {
    shelf: Shelf,
    door: Door,
}

impl ModelLoader for Mount {
    fn latest(&self) -> Result<Option<u64>, ModelError> {
        self.shelf.latest()
    }

    fn load(&self, version: u64) -> Result<Arc<dyn Model>, ModelError> {
        self.door.pass();
        self.shelf.load(version)
    }
}

#[test]
fn reading_that_hangs_is_told_and_holds_up_neither_requests_nor_the_end() {
    let mount = Arc::new(Mount::default());
    let server = Running::serving(settings(), Arc::new(Users::default()));
    let (stop, interval) = (Arc::new(AtomicBool::new(false)), Duration::from_millis(10));
    let watcher = Watcher::new(mount.clone(), server.slot.clone(), server.metrics.clone(), interval);
    let watching = watcher.with_timeout(Duration::from_millis(100)).spawn(stop.clone()).unwrap();
    mount.shelf.latest.store(1, Ordering::SeqCst);
    until("the first version", || server.slot.version() == Some(1));
    assert_eq!(server.metric("hmisr_serving_reload_busy_seconds"), 0.0);

    mount.door.shut();
    mount.shelf.latest.store(2, Ordering::SeqCst);
    until("it to be told", || server.metric("hmisr_serving_reload_failures_total") == 1.0);
    assert!(server.metric("hmisr_serving_reload_busy_seconds") >= 0.1);
    assert_eq!(server.get("/v1/recommend?user_id=1").json()["model_version"], 1);
    assert_eq!(server.get("/readyz").status, 200);
    // What comes late is taken.
    mount.door.open();
    until("the second version", || server.slot.version() == Some(2));
    until("all to be well", || server.metric("hmisr_serving_reload_busy_seconds") == 0.0);
    assert_eq!(server.metric("hmisr_serving_reload_failures_total"), 1.0);

    mount.door.shut();
    mount.shelf.latest.store(3, Ordering::SeqCst);
    until("it to hang again", || server.metric("hmisr_serving_reload_failures_total") == 2.0);
    stop.store(true, Ordering::SeqCst);
    until("the watcher's end", || watching.is_finished());
    watching.join().unwrap();
    assert_eq!(server.slot.version(), Some(2));
    mount.door.open();
}

#[test]
fn a_snapshot_of_the_future_grows_old_all_the_same() {
    let shelf = Arc::new(Shelf::default());
    let server = Running::serving(settings(), Arc::new(Users::default()));
    let mut watcher =
        Watcher::new(shelf.clone(), server.slot.clone(), server.metrics.clone(), Duration::from_millis(10));
    shelf.latest.store(1, Ordering::SeqCst);
    watcher.check();
    assert_eq!(server.metric("hmisr_serving_future_snapshots_total"), 0.0);
    let old = server.metric("hmisr_serving_snapshot_age_seconds");
    // The year 2096.
    shelf.created_ms.store(4_000_000_000_000, Ordering::SeqCst);
    shelf.latest.store(2, Ordering::SeqCst);
    watcher.check();
    assert_eq!(server.metric("hmisr_serving_future_snapshots_total"), 1.0);
    let age = || server.get("/v1/model").json()["age_seconds"].as_f64().unwrap();
    let young = age();
    assert!(young > 0.0 && young < old, "{young}");
    until("it to be older", || age() > young);
    watcher.check();
    assert!(server.metric("hmisr_serving_snapshot_age_seconds") > young);
}
