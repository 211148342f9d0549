//! Ready means: a model is in force, look-ups answer, and whatever else the program needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::{Running, Shelf, Users, settings};
use hmisr_serving::{ModelSlot, Settings, Watcher};

#[test]
fn what_is_missing_is_told() {
    let users = Arc::new(Users::new(&[("42", &[])]));
    users.down.store(true, Ordering::SeqCst);
    let replayed = Arc::new(AtomicBool::new(false));
    let (seen, slot) = (replayed.clone(), Arc::new(ModelSlot::new()));
    let server = Running::start(settings(), users.clone(), slot, |api, slot| {
        api.with_models(slot).with_check("pipeline", move || {
            if seen.load(Ordering::SeqCst) { Ok(()) } else { Err("the gap is replayed".to_owned()) }
        })
    });

    let answer = server.get("/readyz");
    assert_eq!((answer.status, answer.error_kind().as_str()), (503, "not_ready"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    let json = answer.json();
    assert_eq!(json["ready"], false);
    assert_eq!(json["missing"]["lookup"], "partition 1 is replayed");
    assert_eq!(json["missing"]["pipeline"], "the gap is replayed");
    assert!(json["missing"]["model"].is_string());
    assert_eq!(server.get("/healthz").status, 200);

    let answer = server.get("/v1/recommend?user_id=42");
    assert_eq!((answer.status, answer.error_kind().as_str()), (503, "no_model"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(server.get("/v1/model").error_kind(), "no_model");

    let shelf = Arc::new(Shelf::default());
    let mut watcher =
        Watcher::new(shelf.clone(), server.slot.clone(), server.metrics.clone(), Duration::from_secs(1));
    watcher.check();
    assert!(server.get("/readyz").json()["missing"]["model"].is_string());
    shelf.latest.store(1, Ordering::SeqCst);
    watcher.check();
    let missing = server.get("/readyz").json()["missing"].clone();
    assert!(missing["model"].is_null() && missing["lookup"].is_string(), "{missing}");
    // A user who cannot be looked up is not an unknown user, and is recommended what is known without.
    let json = server.get("/v1/recommend?user_id=42").json();
    assert_eq!((&json["degraded"], &json["source"]), (&true.into(), &"popularity".into()));
    assert!(json.get("known_user").is_none(), "{json}");
    assert_eq!(server.get("/v1/users/42").error_kind(), "lookup_unavailable");

    users.down.store(false, Ordering::SeqCst);
    assert_eq!(server.get("/readyz").json()["missing"].as_object().unwrap().len(), 1);
    replayed.store(true, Ordering::SeqCst);
    let answer = server.get("/readyz");
    assert_eq!((answer.status, &answer.json()["ready"]), (200, &true.into()));
    assert_eq!(server.get("/v1/recommend?user_id=42").status, 200);

    // Who takes servers away that are not ready would leave nobody to answer without look-ups.
    users.down.store(true, Ordering::SeqCst);
    let answer = server.get("/readyz");
    assert_eq!((answer.status, &answer.json()["ready"]), (200, &true.into()));
    assert_eq!(answer.json()["degraded"]["lookup"], "partition 1 is replayed");
    replayed.store(false, Ordering::SeqCst);
    assert_eq!(server.get("/readyz").status, 503);
}

#[test]
fn a_server_that_must_not_degrade_is_ready_while_look_ups_answer() {
    let users = Arc::new(Users::default());
    let server = Running::serving(Settings { degrade: false, ..settings() }, users.clone());
    let shelf = Arc::new(Shelf::default());
    shelf.latest.store(1, Ordering::SeqCst);
    Watcher::new(shelf, server.slot.clone(), server.metrics.clone(), Duration::from_secs(1)).check();
    assert_eq!(server.get("/readyz").status, 200);
    users.down.store(true, Ordering::SeqCst);
    let answer = server.get("/readyz");
    assert_eq!((answer.status, answer.error_kind().as_str()), (503, "not_ready"));
}
