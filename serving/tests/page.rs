//! The page at `/`, and what it asks for.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::{Answer, Running, Shelf, Users, client, item, settings};
use hmisr_serving::{LookupError, UserLookup, Watcher};
use hmisr_stream::contract::{Id, UserView};
use hmisr_testkit::until;
use serde_json::{Value, json};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

fn ask(server: &Running, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = client().get(format!("{}{path}", server.base));
    let mut answer =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).call().unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    Answer { status: answer.status().as_u16(), text, headers: answer.headers().clone() }
}

#[test]
fn browsers_get_the_page_and_programs_the_list() {
    let (server, _) = Running::paged(settings(), Arc::new(Users::default()));
    let page = ask(&server, "/", &[("accept", BROWSER)]);
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text.starts_with("<!doctype html>"), "{}", page.text);
    for accept in ["*/*", "application/json"] {
        let list = ask(&server, "/", &[("accept", accept)]);
        assert!(list.json()["endpoints"]["/v1/activity?since="].is_string(), "{}", list.text);
        assert_eq!((list.header("vary"), page.header("vary")), (Some("accept"), Some("accept")));
    }
}

#[test]
fn files_come_with_a_strict_policy_and_only_when_they_are_new() {
    let (server, _) = Running::paged(settings(), Arc::new(Users::default()));
    for (path, media_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/page/app.js", "text/javascript; charset=utf-8"),
        ("/page/base.css", "text/css; charset=utf-8"),
        ("/page/icon.svg", "image/svg+xml"),
    ] {
        let first = ask(&server, path, &[("accept", BROWSER)]);
        assert_eq!((first.status, first.header("content-type")), (200, Some(media_type)), "{path}");
        let policy = first.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        assert!(
            !policy.contains("unsafe") && policy.contains("require-trusted-types-for 'script'"),
            "{policy}"
        );
        assert_eq!(first.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(first.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(first.header("cache-control"), Some("no-cache"));
        let etag = first.header("etag").unwrap();
        for known in [etag, &format!("\"other\", W/{etag}"), "*"] {
            let again = ask(&server, path, &[("accept", BROWSER), ("if-none-match", known)]);
            assert_eq!(
                (again.status, again.text.as_str(), again.header("etag")),
                (304, "", Some(etag)),
                "{path}"
            );
        }
        assert_eq!(ask(&server, path, &[("accept", BROWSER), ("if-none-match", "\"other\"")]).status, 200);
    }
    for path in
        ["/page/%ff", "/page/none.js", "/page/", "/page/..%2fapp.js", "/page/App.js", "/page/app.js/x"]
    {
        assert_eq!(server.get(path).error_kind(), "unknown_path", "{path}");
    }
    let posted = client().post(format!("{}/page/app.js", server.base)).send("x").unwrap();
    assert_eq!(posted.status().as_u16(), 405);
    assert_eq!(server.metric("hmisr_serving_request_seconds_count{endpoint=\"page\",status=\"2xx\"}"), 15.0);
}

#[test]
fn activity_tells_what_was_since() {
    let users = Users::new(&[("42", &[item(3, 0)]), ("núria", &[])]);
    let (server, activity) = Running::paged(settings(), Arc::new(users));
    let shelf = Arc::new(Shelf::default());
    let mut watcher =
        Watcher::new(shelf.clone(), server.slot.clone(), server.metrics.clone(), Duration::from_secs(1))
            .with_activity(activity.clone());
    let empty = server.get("/v1/activity").json();
    assert_eq!((&empty["samples"], &empty["snapshots"]), (&json!({"at_ms": []}), &json!([])));

    activity.sample();
    for version in [3, 4, 7] {
        shelf.latest.store(version, Ordering::SeqCst);
        watcher.check();
    }
    for user in ["42", "n%C3%BAria", "42", "nobody"] {
        server.get(&format!("/v1/users/{user}"));
    }
    server.get("/v1/recommend?user_id=42");
    activity.sample();
    let answer = server.get("/v1/activity");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let all = answer.json();
    assert_eq!(all["samples"]["requests"], json!([0.0, 5.0]), "its own requests do not count");
    assert_eq!(all["samples"]["swaps"], json!([0.0, 2.0]));
    assert_eq!(all["samples"]["lookups"], json!([0.0, 5.0]));
    assert!(all["samples"].get("events").is_none(), "there is no job in this process");
    let versions: Vec<&Value> =
        all["snapshots"].as_array().unwrap().iter().map(|of| &of["version"]).collect();
    assert_eq!(versions, [3, 4], "7 is damaged");
    assert_eq!((&all["snapshots"][0]["step"], &all["snapshots"][0]["hr10"]), (&json!(300), &Value::Null));
    assert_eq!(all["users"], json!({"looked_up": [42, "núria"], "active": []}));

    let first = all["samples"]["at_ms"][0].as_i64().unwrap();
    let newest = all["samples"]["at_ms"][1].as_i64().unwrap();
    let since = |time: i64| server.get(&format!("/v1/activity?since={time}")).json();
    assert_eq!(since(first)["samples"]["at_ms"], json!([newest]));
    assert_eq!(since(newest)["samples"], json!({"at_ms": []}));
    assert_eq!(since(newest + 1)["snapshots"], json!([]));
    assert_eq!(since(first)["started_ms"], all["started_ms"]);
    for bad in ["since=x", "since=-1", "until=1", "since=1&since=2"] {
        assert_eq!(server.get(&format!("/v1/activity?{bad}")).error_kind(), "bad_parameter", "{bad}");
    }
}

#[test]
fn a_thread_samples_and_asks_who_is_active() {
    struct Active(AtomicBool);
    impl UserLookup for Active {
        fn user(&self, _: &Id) -> Result<Option<UserView>, LookupError> {
            Ok(None)
        }
        fn ready(&self) -> Result<(), LookupError> {
            Ok(())
        }
        fn active(&self, most: usize) -> Result<Vec<Id>, LookupError> {
            assert!((1..100).contains(&most));
            // At first it cannot say.
            match self.0.swap(true, Ordering::SeqCst) {
                false => Err(LookupError::new("not yet")),
                true => Ok(vec![Id::from(7), Id::text("b").unwrap()]),
            }
        }
    }
    let lookup = Arc::new(Active(AtomicBool::new(false)));
    let (server, activity) = Running::paged(settings(), lookup.clone());
    let stop = Arc::new(AtomicBool::new(false));
    let thread = activity.spawn(lookup, stop.clone()).unwrap();
    until("the users are named", || server.get("/v1/activity").json()["users"]["active"] == json!([7, "b"]));
    assert!(server.get("/v1/activity").json()["samples"]["at_ms"].as_array().unwrap().len() >= 2);
    stop.store(true, Ordering::SeqCst);
    thread.join().unwrap();
}

#[test]
fn a_pipeline_has_no_page() {
    let server = Running::pipeline(Arc::new(Users::new(&[("42", &[])])));
    let list = ask(&server, "/", &[("accept", BROWSER)]);
    assert!(list.json()["endpoints"].get("/v1/activity?since=").is_none(), "{}", list.text);
    for path in ["/v1/activity", "/page/app.js"] {
        assert_eq!(server.get(path).error_kind(), "unknown_path", "{path}");
    }
    assert_eq!(server.get("/v1/users/42").header("x-content-type-options"), Some("nosniff"));
}
