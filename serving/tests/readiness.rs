//! Ready means: a model is in force, look-ups answer, and whatever else the program needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::{Running, Shelf, Users, settings};
use hmisr_serving::{ModelSlot, Watcher};

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
    // A user who cannot be looked up is not an unknown user.
    assert_eq!(server.get("/v1/recommend?user_id=42").error_kind(), "lookup_unavailable");
    assert_eq!(server.get("/v1/users/42").error_kind(), "lookup_unavailable");

    users.down.store(false, Ordering::SeqCst);
    assert_eq!(server.get("/readyz").json()["missing"].as_object().unwrap().len(), 1);
    replayed.store(true, Ordering::SeqCst);
    let answer = server.get("/readyz");
    assert_eq!((answer.status, &answer.json()["ready"]), (200, &true.into()));
    assert_eq!(server.get("/v1/recommend?user_id=42").status, 200);
}
