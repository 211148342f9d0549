//! Requests that bring context: a body with a session, candidates, filters; and answers without a look-up.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::common::{Answer, Door, Running, Shelf, Users, client, get, item, post, settings};
use hmisr_serving::{LookupError, Settings, UserLookup, Watcher};
use hmisr_stream::contract::{Id, UserView};
use hmisr_testkit::until;
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: i64 = 1_700_000_000_000;

fn served(settings: Settings, lookup: Arc<dyn UserLookup>) -> (Running, Arc<Shelf>) {
    let server = Running::serving(settings, lookup);
    let shelf = Arc::new(Shelf::default());
    shelf.latest.store(1, Ordering::SeqCst);
    let interval = Duration::from_secs(1);
    Watcher::new(shelf.clone(), server.slot.clone(), server.metrics.clone(), interval).check();
    (server, shelf)
}

/// User 42 has seen items 0 and 2.
fn known() -> Arc<Users> {
    Arc::new(Users::new(&[("42", &[item(1, 0), item(1, 2)])]))
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["items"].as_array().unwrap().iter().map(|item| item["item_id"].as_str().unwrap()).collect()
}

fn ok(answer: Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// What the model read last.
fn read(shelf: &Shelf) -> Vec<(String, i64)> {
    shelf.last.lock().unwrap().iter().map(|(id, ts)| (id.to_string(), *ts)).collect()
}

fn read_as(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|(id, ts)| ((*id).to_owned(), *ts)).collect()
}

#[test]
fn a_body_asks_what_a_query_asks() {
    let (server, _) = served(settings(), known());
    let by_body = ok(server.post(r#"{"user_id": 42, "k": 3, "lambda": 0.25}"#));
    assert_eq!(by_body, server.get("/v1/recommend?user_id=42&k=3&lambda=0.25").json());
    assert_eq!(ids(&by_body), ["v1-1", "v1-3", "v1-4"]);
    assert_eq!((&by_body["known_user"], by_body.get("degraded")), (&true.into(), None));
    // The id comes back in the form in which it came.
    assert_eq!(ok(server.post(r#"{"user_id": "42"}"#))["user_id"], "42");
}

#[test]
fn a_session_is_read_after_what_is_kept() {
    let (server, shelf) = served(settings(), known());
    let body = json!({"user_id": 42, "now": NOW, "k": 2, "session": [
        {"item_id": "v1-3"},
        // The pipeline has seen this one: users' visits are at 0 and 1,000 ms.
        {"item_id": "v1-1", "ts": NOW - 5, "category": 7},
        {"item_id": "later", "ts": NOW + 60_000},
    ]});
    let answer = ok(server.post(&body.to_string()));
    let expected = [("v1-0", 0), ("v1-2", 1_000), ("v1-1", NOW - 5), ("v1-3", NOW), ("later", NOW)];
    assert_eq!(read(&shelf), read_as(&expected));
    // What was seen a moment ago is not recommended either.
    assert_eq!(ids(&answer), ["v1-4", "v1-5"]);
    assert_eq!(answer["known_user"], true);
}

#[test]
fn events_that_are_kept_already_are_dropped() {
    let at = |ts| {
        Users::new(&[("42", &[item(1, 0)])]).users.into_values().map(move |mut view| {
            view.visits[0].ts = ts;
            (view.user_id.clone(), view)
        })
    };
    let users = Users { users: at(NOW - 9).collect(), ..Users::default() };
    let (server, shelf) = served(settings(), Arc::new(users));
    let session = json!([{"item_id": "v1-0", "ts": NOW - 9}, {"item_id": "v1-0", "ts": NOW - 3}]);
    ok(server.post(&json!({"user_id": 42, "now": NOW, "session": session}).to_string()));
    assert_eq!(read(&shelf), read_as(&[("v1-0", NOW - 9), ("v1-0", NOW - 3)]));
}

#[test]
fn an_unknown_user_with_a_session_is_answered_by_the_model() {
    let (server, _) = served(settings(), known());
    let answer = ok(server.post(r#"{"user_id": 7, "session": [{"item_id": "v1-9"}]}"#));
    assert_eq!((&answer["source"], &answer["known_user"]), (&"model".into(), &false.into()));
    // Nobody in particular, with a session; and with one that has not begun.
    let answer = ok(server.post(r#"{"session": [{"item_id": "v1-9"}]}"#));
    assert_eq!(
        (&answer["source"], answer.get("known_user"), answer.get("user_id")),
        (&"model".into(), None, None)
    );
    assert_eq!(ok(server.post(r#"{"session": []}"#))["source"], "popularity");
    assert_eq!(ok(server.post(r#"{"current_item": "v1-9"}"#))["source"], "model");
}

#[test]
fn a_history_is_read_in_the_place_of_the_look_up() {
    let users = known();
    users.down.store(true, Ordering::SeqCst);
    let (server, shelf) = served(settings(), users);
    let history = json!([{"item_id": "v1-5", "ts": NOW - 1}, {"item_id": "v1-4", "ts": NOW - 2}]);
    let answer = ok(server.post(&json!({"user_id": 42, "history": history, "k": 1}).to_string()));
    assert_eq!(read(&shelf), read_as(&[("v1-4", NOW - 2), ("v1-5", NOW - 1)]));
    assert_eq!(
        (answer.get("degraded"), answer.get("known_user"), &answer["user_id"]),
        (None, None, &42.into())
    );
    assert_eq!(server.metric("hmisr_serving_lookup_seconds_count{outcome=\"failed\"}"), 0.0);
}

#[test]
fn the_item_that_is_looked_at_is_read_and_not_recommended() {
    let (server, shelf) = served(Settings { filter_seen: false, ..settings() }, known());
    let answer =
        ok(server.post(&json!({"user_id": 42, "current_item": "v1-1", "now": NOW, "k": 3}).to_string()));
    assert_eq!(read(&shelf), read_as(&[("v1-0", 0), ("v1-2", 1_000), ("v1-1", NOW)]));
    assert_eq!(ids(&answer), ["v1-0", "v1-2", "v1-3"]);
}

#[test]
fn candidates_alone_are_ranked() {
    let (server, _) = served(settings(), known());
    let answer =
        ok(server.post(r#"{"user_id": 42, "candidates": ["v1-9", "v1-0", "nope", "v1-9", "v1-3", "nope"]}"#));
    // Seen or not: they are the caller's choice.
    assert_eq!(ids(&answer), ["v1-0", "v1-3", "v1-9"]);
    assert_eq!(answer["unknown_candidates"], json!(["nope"]));
    let answer = ok(server.get("/v1/recommend?user_id=42&candidates=v1-9,v1-0&exclude=v1-0,v1-5"));
    assert_eq!((ids(&answer), &answer["unknown_candidates"]), (vec!["v1-9"], &json!([])));
    assert!(ids(&ok(server.post(r#"{"user_id": 42, "candidates": []}"#))).is_empty());
    assert!(server.get("/v1/recommend?user_id=42").json().get("unknown_candidates").is_none());
}

#[test]
fn a_thousand_candidates_are_ranked_and_one_more_is_refused() {
    let (server, _) = served(settings(), known());
    let candidates: Vec<String> = (0..1_000).map(|at| format!("v1-{at}")).collect();
    let mut body = json!({"user_id": 42, "k": 1_000, "candidates": candidates});
    let answer = ok(server.post(&body.to_string()));
    assert_eq!(ids(&answer).len(), 150);
    assert_eq!(answer["unknown_candidates"].as_array().unwrap().len(), 850);
    body["candidates"].as_array_mut().unwrap().push("one more".into());
    let answer = server.post(&body.to_string());
    assert_eq!((answer.status, answer.error_kind().as_str()), (400, "bad_parameter"));
    assert!(answer.text.contains("`candidates` holds 1001 ids; it may hold 1000"), "{}", answer.text);
}

#[test]
fn categories_are_allowed_and_excluded() {
    let (server, _) = served(settings(), known());
    for (more, count) in [
        (r#""allow_categories": [7, 8]"#, 10),
        (r#""allow_categories": ["8"]"#, 0),
        (r#""exclude_categories": ["7"]"#, 0),
        (r#""exclude_categories": [8]"#, 10),
        (r#""allow_categories": [7], "exclude_categories": [7]"#, 0),
    ] {
        let answer = ok(server.post(&format!("{{\"user_id\": 42, {more}}}")));
        assert_eq!(ids(&answer).len(), count, "{more}");
    }
    assert!(ids(&server.get("/v1/recommend?user_id=42&exclude_categories=3,7").json()).is_empty());
    assert_eq!(ids(&server.get("/v1/recommend?user_id=42&allow_categories=3,7").json()).len(), 10);
}

#[test]
fn what_is_wrong_in_a_body_is_told() {
    let (server, _) = served(settings(), known());
    for (body, kind, named) in [
        ("", "bad_body", "the body is empty"),
        ("{\"user_id\": 42", "bad_body", "EOF"),
        ("[42]", "bad_body", "expected an object"),
        ("{\"user_id\": 42, \"user_id\": 43}", "bad_body", "given twice"),
        ("{}", "bad_parameter", "`user_id` is missing"),
        ("{\"user_id\": 42, \"sessions\": []}", "bad_parameter", "did you mean `session`?"),
        ("{\"user_id\": 42, \"k\": 101}", "bad_parameter", "field `k`, value 101"),
        ("{\"user_id\": 42, \"now\": 1700000000}", "bad_parameter", "looks like seconds"),
        ("{\"user_id\": 42, \"session\": [{\"ts\": 1}]}", "bad_parameter", "field `session[0].ts`, value 1"),
        ("{\"user_id\": [[[[[[]]]]]]}", "bad_parameter", "field `user_id`"),
    ] {
        let answer = server.post(body);
        assert_eq!((answer.status, answer.error_kind().as_str()), (400, kind), "{body}: {}", answer.text);
        assert!(
            answer.json()["error"]["message"].as_str().unwrap().contains(named),
            "{body}: {}",
            answer.text
        );
    }
    let url = format!("{}/v1/recommend?user_id=42", server.base);
    let answer = post(&client(), &url, "{}").unwrap();
    assert_eq!((answer.status, answer.error_kind().as_str()), (400, "bad_parameter"));
    assert!(answer.text.contains("leave it out"), "{}", answer.text);
    let zipped = client().post(url).header("content-encoding", "gzip").send("x").unwrap();
    assert_eq!(zipped.status().as_u16(), 400);
    assert_eq!(server.metric("hmisr_serving_rejected_total{kind=\"bad_body\"}"), 4.0);
}

#[test]
fn a_body_that_is_too_long_or_too_slow_is_refused() {
    let bounds = Settings { max_body_bytes: 600, header_timeout_ms: 200, ..settings() };
    let (server, _) = served(bounds, known());
    let long = format!("{{\"user_id\": 42, \"exclude\": [{}1]}}", "1,".repeat(300));
    let answer = server.post(&long);
    assert_eq!((answer.status, answer.error_kind().as_str()), (413, "body_too_large"));
    assert!(answer.text.contains("serving.max_body_bytes"), "{}", answer.text);
    // Without a length told before, and cut off, and never whole.
    let ask = |request: &str, rest: bool| {
        let mut stream = TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
        stream
            .write_all(format!("POST /v1/recommend HTTP/1.1\r\nhost: localhost\r\n{request}").as_bytes())
            .unwrap();
        if !rest {
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        }
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    let chunk = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    let answer = ask(&format!("connection: close\r\ntransfer-encoding: chunked\r\n\r\n{chunk}"), true);
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("longer than 600"), "{answer}");
    let answer = ask("connection: close\r\ncontent-length: 50\r\n\r\n{\"user_id\"", true);
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("body_too_slow"), "{answer}");
    let answer = ask("content-length: 50\r\n\r\n{\"user_id\"", false);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(server.get("/v1/recommend?user_id=42").status, 200);
}

#[test]
fn who_cannot_be_looked_up_is_answered_from_what_is_known() {
    let users = Arc::new(Users::new(&[("42", &[item(1, 0)]), ("43", &[item(1, 5)])]));
    let (server, shelf) = served(settings(), users.clone());
    assert_eq!(ok(server.get("/v1/recommend?user_id=42")).get("degraded"), None);
    users.down.store(true, Ordering::SeqCst);
    // As the last look-up found him.
    let answer = ok(server.get("/v1/recommend?user_id=42&k=2"));
    assert_eq!(
        (&answer["degraded"], &answer["degraded_reason"]),
        (&true.into(), &"lookup_unavailable".into())
    );
    // Whether state is kept of him now, nobody can say.
    assert_eq!((&answer["source"], answer.get("known_user")), (&"model".into(), None));
    assert_eq!(ids(&answer), ["v1-1", "v1-2"]);
    ok(server.post(&json!({"user_id": 42, "now": NOW, "session": [{"item_id": "v1-9"}]}).to_string()));
    assert_eq!(read(&shelf), read_as(&[("v1-0", 0), ("v1-9", NOW)]));
    // Nobody has been looked up: from the session, or what is popular.
    let answer = ok(server.post(r#"{"user_id": 43, "session": [{"item_id": "v1-9"}]}"#));
    assert_eq!(
        (&answer["source"], &answer["degraded"], answer.get("known_user")),
        (&"model".into(), &true.into(), None)
    );
    let answer = ok(server.get("/v1/recommend?user_id=43"));
    assert_eq!((&answer["source"], &answer["degraded"]), (&"popularity".into(), &true.into()));
    assert_eq!(server.metric("hmisr_serving_degraded_total{reason=\"lookup_unavailable\"}"), 4.0);
    assert_eq!(server.metric("hmisr_serving_rejected_total{kind=\"lookup_unavailable\"}"), 0.0);
    // Who is asked for alone is told that it cannot be known.
    assert_eq!(server.get("/v1/users/42").error_kind(), "lookup_unavailable");
    users.down.store(false, Ordering::SeqCst);
    assert_eq!(ok(server.get("/v1/recommend?user_id=43")).get("degraded"), None);
}

/// Users that can be changed, and a look-up that can be down or wait.
#[derive(Default)]
struct Changing {
    users: std::sync::Mutex<BTreeMap<Id, UserView>>,
    not_owned: AtomicBool,
    door: Door,
}

impl UserLookup for Changing {
    fn user(&self, id: &Id) -> Result<Option<UserView>, LookupError> {
        self.door.pass();
        self.ready()?;
        Ok(self.users.lock().unwrap().get(id).cloned())
    }

    fn ready(&self) -> Result<(), LookupError> {
        match self.not_owned.load(Ordering::SeqCst) {
            true => Err(LookupError::not_owned("partition 3 is not owned by this process")),
            false => Ok(()),
        }
    }
}

fn changing() -> Arc<Changing> {
    let users = Users::new(&[("42", &[item(1, 0)])]).users.into_iter().collect();
    Arc::new(Changing { users: std::sync::Mutex::new(users), ..Changing::default() })
}

#[test]
fn whom_nobody_has_any_more_is_not_remembered() {
    let users = changing();
    let (server, _) = served(settings(), users.clone());
    assert_eq!(ok(server.get("/v1/recommend?user_id=42"))["known_user"], true);
    users.users.lock().unwrap().clear();
    assert_eq!(ok(server.get("/v1/recommend?user_id=42"))["known_user"], false);
    users.not_owned.store(true, Ordering::SeqCst);
    let answer = ok(server.get("/v1/recommend?user_id=42"));
    assert_eq!((&answer["source"], &answer["degraded_reason"]), (&"popularity".into(), &"not_owned".into()));
}

#[test]
fn what_was_found_too_long_ago_is_not_used() {
    let users = changing();
    let (server, _) = served(Settings { last_known_max_age_ms: 20, ..settings() }, users.clone());
    ok(server.get("/v1/recommend?user_id=42"));
    std::thread::sleep(Duration::from_millis(40));
    users.not_owned.store(true, Ordering::SeqCst);
    assert_eq!(ok(server.get("/v1/recommend?user_id=42"))["source"], "popularity");
}

#[test]
fn a_look_up_that_hangs_or_finds_no_place_is_not_waited_for() {
    let users = changing();
    let bounds = Settings { request_timeout_ms: 2_000, max_lookups: 1, max_queue: 0, ..settings() };
    let (server, _) = served(bounds, users.clone());
    users.door.shut();
    let answer = ok(server.get("/v1/recommend?user_id=42"));
    assert_eq!((&answer["degraded"], &answer["degraded_reason"]), (&true.into(), &"timeout".into()));
    // It still waits, and takes the only place.
    let answer = ok(server.get("/v1/recommend?user_id=42"));
    assert_eq!(answer["degraded_reason"], "overloaded");
    for reason in ["timeout", "overloaded"] {
        let name = format!("hmisr_serving_degraded_total{{reason=\"{reason}\"}}");
        assert_eq!(server.metric(&name), 1.0, "{reason}");
    }
    users.door.open();
    until("the place to be free", || ok(server.get("/v1/recommend?user_id=42")).get("degraded").is_none());
}

#[test]
fn a_server_that_must_not_degrade_says_503() {
    let users = Arc::new(Users::new(&[("42", &[item(1, 0)])]));
    let (server, _) = served(Settings { degrade: false, ..settings() }, users.clone());
    assert_eq!(server.get("/v1/recommend?user_id=42").status, 200);
    users.down.store(true, Ordering::SeqCst);
    let answer = server.get("/v1/recommend?user_id=42");
    assert_eq!((answer.status, answer.error_kind().as_str()), (503, "lookup_unavailable"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    let answer = server.post(r#"{"user_id": 42, "session": [{"item_id": "v1-9"}]}"#);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    // Where nobody is to be looked up, nothing fails.
    assert_eq!(server.post(r#"{"session": [{"item_id": "v1-9"}]}"#).status, 200);
}

fn fuzzed() -> &'static Running {
    static SERVER: OnceLock<Running> = OnceLock::new();
    SERVER.get_or_init(|| served(settings(), known()).0)
}

/// Values as a body may hold them, right and wrong.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0..2_000_000_000_000_u64).prop_map(Value::from),
        (0..200_u64).prop_map(|at| format!("v1-{at}").into()),
        "\\PC{0,150}".prop_map(Value::from),
    ];
    let event = prop::collection::btree_map(
        prop::sample::select(&["item_id", "ts", "category", "x"][..]).prop_map(str::to_owned),
        leaf.clone(),
        0..4,
    )
    .prop_map(|fields| Value::Object(fields.into_iter().collect()));
    let node = prop_oneof![leaf, event];
    node.prop_recursive(3, 30, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,8}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn body() -> impl Strategy<Value = String> {
    const NAMES: &[&str] = &[
        "user_id",
        "history",
        "session",
        "current_item",
        "now",
        "candidates",
        "exclude",
        "allow_categories",
        "exclude_categories",
        "k",
        "lambda",
        "explain",
        "other",
    ];
    let fields = prop::collection::btree_map(prop::sample::select(NAMES), value(), 0..6);
    let object = fields.prop_map(|fields| json!(fields).to_string()).boxed();
    prop_oneof![
        8 => object.clone(),
        1 => (object, any::<prop::sample::Index>()).prop_map(|(text, at)| {
            let cut = at.index(text.len() + 1);
            text.chars().take(cut).collect()
        }),
        1 => "\\PC{0,60}",
    ]
}

proptest! {
    #[test]
    fn every_body_gets_an_answer(body in body()) {
        let server = fuzzed();
        let answer = server.post(&body);
        prop_assert!((200..500).contains(&answer.status), "{}: {body}: {}", answer.status, answer.text);
        let message = answer.json()["error"]["message"].clone();
        prop_assert_eq!(answer.status >= 400, message.is_string(), "{}", answer.text);
        prop_assert!(answer.text.len() < 30_000);
        prop_assert_eq!(get(&client(), &format!("{}/healthz", server.base)).unwrap().status, 200);
    }
}
