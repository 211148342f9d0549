//! What the endpoints answer when all is well.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::common::{DIVERSITY, Running, Shelf, Users, item, settings};
use hmisr_serving::{Settings, Watcher};
use hmisr_stream::contract::{Id, UserView};

fn served(settings: Settings, users: Users) -> Running {
    let server = Running::serving(settings, Arc::new(users));
    let shelf = Arc::new(Shelf::default());
    shelf.latest.store(3, Ordering::SeqCst);
    Watcher::new(shelf, server.slot.clone(), server.metrics.clone(), Duration::from_secs(1)).check();
    server
}

#[test]
fn a_known_user_gets_unseen_items() {
    let server = served(settings(), Users::new(&[("42", &[item(3, 0), item(3, 2)])]));
    let json = server.get("/v1/recommend?user_id=42&k=3").json();
    assert_eq!(json["user_id"], 42);
    assert_eq!(json["model_version"], 3);
    assert_eq!(json["source"], "model");
    assert_eq!(json["known_user"], true);
    let items: Vec<&str> =
        json["items"].as_array().unwrap().iter().map(|item| item["item_id"].as_str().unwrap()).collect();
    assert_eq!(items, ["v3-1", "v3-3", "v3-4"]);
    let first = serde_json::json!({"item_id": "v3-1", "category": 7, "score": -1.0, "relevance_rank": 2});
    assert_eq!(json["items"][0], first);
}

#[test]
fn diversity_weighs_as_the_user_wants_or_the_request_says() {
    let settings = Settings { lambda_max: 0.4, ..settings() };
    let server = served(settings, Users::new(&[("42", &[item(3, 0)])]));
    let answer = |query: &str| server.get(&format!("/v1/recommend?user_id=42{query}")).json();
    let json = answer("");
    assert_eq!((&json["lambda"], &json["diversity_score"]), (&0.2.into(), &0.5.into()));
    assert_eq!(answer("&lambda=0.75")["lambda"], 0.75);
    assert_eq!(answer("&lambda=0")["lambda"], 0.0);
    assert_eq!(server.get("/v1/recommend?user_id=42&lambda=-1").status, 400);
}

#[test]
fn a_user_is_shown_with_the_interests_that_the_model_sees() {
    let server = served(settings(), Users::new(&[("42", &[item(3, 0)]), ("43", &[])]));
    let json = server.get("/v1/users/42").json();
    assert_eq!(
        (&json["model"]["version"], &json["model"]["diversity_score"]),
        (&3.into(), &DIVERSITY.into())
    );
    let interests = serde_json::json!([{"mass": 1.0, "categories": [{"category": 7, "share": 1.0}]}]);
    assert_eq!(json["model"]["interests"], interests);
    assert!(server.get("/v1/users/43").json().get("model").is_none());
}

#[test]
fn seen_items_stay_where_they_are_wanted() {
    let settings = Settings { filter_seen: false, ..settings() };
    let server = served(settings, Users::new(&[("42", &[item(3, 0)])]));
    assert_eq!(server.get("/v1/recommend?user_id=42").json()["items"][0]["item_id"], "v3-0");
}

#[test]
fn an_unknown_user_gets_what_is_popular() {
    let server = served(settings(), Users::default());
    let json = server.get("/v1/recommend?user_id=n%C3%BAria%2F1").json();
    assert_eq!(json["user_id"], "núria/1");
    assert_eq!((&json["known_user"], &json["source"]), (&false.into(), &"popularity".into()));
    assert_eq!(json["items"].as_array().unwrap().len(), 10);
}

#[test]
fn a_user_is_shown_as_the_contract_says() {
    let server = served(settings(), Users::new(&[("a/b c", &[item(1, 5)]), ("42", &[])]));
    let view: UserView = serde_json::from_str(&server.get("/v1/users/a%2Fb%20c").text).unwrap();
    assert_eq!(view.user_id, Id::text("a/b c").unwrap());
    assert_eq!(view.visits[0].item_id, item(1, 5));
    assert_eq!(server.get("/v1/users/42").json()["next_offset"], 99);
}

#[test]
fn the_model_tells_of_itself() {
    let json = served(settings(), Users::default()).get("/v1/model").json();
    assert_eq!((&json["version"], &json["step"], &json["items"]), (&3.into(), &300.into(), &150.into()));
    assert_eq!(json["offsets"], serde_json::json!({"0": 5, "1": 3}));
    assert_eq!((&json["config"]["dim"], &json["metrics"]["hr_at_10"]), (&64.into(), &0.25.into()));
    assert_eq!(json["created_ms"], 1_700_000_000_000_i64);
    assert!(json["age_seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_index_lists_what_is_there() {
    let server = served(settings(), Users::default());
    let json = server.get("/").json();
    for path in
        ["/v1/recommend?user_id=&k=", "/v1/users/{id}", "/v1/model", "/metrics", "/healthz", "/readyz"]
    {
        assert!(json["endpoints"][path].is_string(), "{path}: {json}");
    }
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn a_pipeline_serves_the_look_up_alone() {
    let server = Running::pipeline(Arc::new(Users::new(&[("42", &[])])));
    assert_eq!(server.get("/v1/users/42").status, 200);
    assert_eq!(server.get("/readyz").status, 200);
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/v1/model").error_kind(), "unknown_path");
    assert_eq!(server.get("/v1/recommend?user_id=42").error_kind(), "unknown_path");
    assert_eq!(server.metric("hmisr_serving_lookup_seconds_count{outcome=\"found\"}"), 1.0);
}
