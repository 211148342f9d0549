//! What is measured is what is served: offline evaluation, the trainer's look before it learns and the HTTP server
//! answer the same users from one published version, and give the same lists.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use hmisr_datasets::{Format, Options};
use hmisr_features::{Features, History, Interaction};
use hmisr_model::hmisr::{EncoderKind, HmisrSettings};
use hmisr_model::random::SplitMix;
use hmisr_model::{Architecture, ModelSettings, backend};
use hmisr_offline::fit::{FitSettings, Neural, Run, Watch, fit, publish};
use hmisr_offline::measures::{Arm, rerank};
use hmisr_offline::{Case, Dataset, EvaluateOptions, PerCase, Protocol, Split, UserFeatures, evaluate};
use hmisr_recommend::artifact::Artifact;
use hmisr_recommend::{Event, Lambda};
use hmisr_serving::{
    Api, HttpServer, LookupError, Metrics, ModelSlot, Settings, Snapshots, UserLookup, Watcher,
};
use hmisr_stream::contract::{Id, TrainingExample, UserView, VisitView};
use hmisr_trainer::Trainer;
use serde_json::Value;

const USERS: u32 = 40;
const ITEMS: u32 = 150;

/// Users with tastes of their own who take no item twice, at odd times, and like some and give some back; some items
/// have two categories.
fn data(folder: &Path) -> Dataset {
    let mut random = SplitMix::new(3);
    let genres = ["Drama", "Comedy", "Action", "Horror", "Musical"];
    let mut rows = String::new();
    for user in 0..USERS {
        let mut left: Vec<u32> = (0..ITEMS).collect();
        let mut ts = 1_000_000_000_000 + u64::from(user);
        for _ in 0..12 + random.below(20) {
            let near = (user % 5) * 30 + random.below(40);
            let place = left.iter().position(|item| *item >= near % ITEMS).unwrap_or(0);
            let item = left.remove(place);
            ts += 1_000 * u64::from(1 + random.below(100) * random.below(5_000));
            let (one, two) = (genres[(item / 30) as usize], genres[(item % 5) as usize]);
            let two = if item.is_multiple_of(3) && one != two { two } else { one };
            let action = if random.below(3) == 0 { "like" } else { "click" };
            let weight = ["null", "-1", "0.5", "5"][random.below(4) as usize];
            rows += &format!(
                "{{\"user_id\":{user},\"item_id\":{item},\"category\":\"{one}\",\"categories\":[\"{one}\",\"{two}\"],\
                 \"action\":\"{action}\",\"ts\":{ts},\"weight\":{weight}}}\n"
            );
        }
    }
    let file = folder.join("events.jsonl");
    std::fs::write(&file, rows).unwrap();
    let data = Dataset::load(&file, Format::default(), &Options::default()).unwrap();
    assert_eq!(data.actions.len(), 2);
    data
}

struct Silent;

impl Watch for Silent {}

fn published(architecture: Architecture, encoder: EncoderKind, split: &Split, folder: &Path) -> Artifact {
    let remembers = architecture == Architecture::Hmisr && encoder == EncoderKind::Attention;
    let model = ModelSettings {
        architecture,
        hmisr: HmisrSettings { encoder, ..HmisrSettings::default() },
        width: 8,
        layers: 1,
        feed_forward: 16,
        max_len: 8,
        memory: usize::from(remembers),
        interests: 3,
        ..ModelSettings::default()
    };
    let settings =
        FitSettings { model, batch_events: 128, rate: 5e-3, stages: [2, 1, 2], ..FitSettings::default() };
    let run = Run::open(&folder.join("run"), &settings, split).unwrap();
    let device = backend::device().unwrap();
    fit(&run, split, &device, &AtomicBool::new(false), &mut Silent).unwrap();
    let root = folder.join("snapshots");
    let manifest = publish(&run, split, &root, &device).unwrap();
    Artifact::open(&root, Some(manifest.version)).unwrap()
}

/// A user as a pipeline knows one.
#[derive(Clone)]
struct Kept {
    events: Vec<Event>,
    features: Features,
}

struct Users(HashMap<Id, Kept>);

impl UserLookup for Users {
    fn user(&self, id: &Id) -> Result<Option<UserView>, LookupError> {
        let visit = |event: &Event| VisitView {
            item_id: event.item.clone(),
            category: Id::from(0),
            ts: event.ts,
            tail: false,
            action: event.action.to_string(),
            weight: event.weight,
            more_categories: Vec::new(),
        };
        Ok(self.0.get(id).map(|Kept { events, features }| UserView {
            user_id: id.clone(),
            partition: 0,
            next_offset: 1,
            newest_ts: events.last().map_or(0, |event| event.ts),
            lifetime: features.lifetime,
            window: features.window,
            recent_diversity: features.recent_diversity,
            visits: events.iter().map(visit).collect(),
        }))
    }

    fn ready(&self) -> Result<(), LookupError> {
        Ok(())
    }
}

fn kept(split: &Split, features: &UserFeatures, case: Case) -> Kept {
    let data = &split.data;
    let event = |event: &hmisr_offline::Event| Event {
        item: data.items[event.item as usize].clone(),
        ts: event.ts_ms,
        action: data.actions[usize::from(event.action)].as_str().into(),
        weight: event.weight,
    };
    let events = split.query(case).history.iter().map(event).collect();
    Kept { events, features: features.before(data, case.user, case.at as usize) }
}

/// The list that offline evaluation measures: items with scores.
fn list(split: &Split, answers: &PerCase, at: usize) -> Vec<(String, f32)> {
    let top = answers.results[at].top.iter().take(10);
    top.map(|(item, score)| (split.data.items[*item as usize].to_string(), *score)).collect()
}

/// The list of an answer over HTTP.
fn served(answer: &Value) -> Vec<(String, f32)> {
    let items = answer["items"].as_array().unwrap().iter();
    let text = |id: &Value| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    items.map(|item| (text(&item["item_id"]), item["score"].as_f64().unwrap() as f32)).collect()
}

/// Where the trainer's lists have the target: by relevance, and with the user's own λ.
fn asked(artifact: &Artifact, split: &Split, case: Case, kept: &Kept) -> [Option<f64>; 2] {
    let (target, zero) = (split.target(case), Id::from(0));
    let visits = kept.events.iter().map(|event| Interaction {
        action: &event.action,
        weight: event.weight,
        ..Interaction::new(&event.item, &zero, event.ts)
    });
    let example = TrainingExample {
        user: split.data.users[case.user as usize].clone(),
        item: split.data.items[target.item as usize].clone(),
        categories: vec![zero.clone()],
        action: "click".to_owned(),
        weight: 1.0,
        ts: target.ts_ms,
        request_id: None,
        position: kept.events.len() as u64,
        features: kept.features,
        history: History::of(visits),
    };
    let settings = hmisr_trainer::Settings::default();
    let mut trainer = Trainer::from_version(artifact, &settings, backend::device().unwrap()).unwrap();
    let report = trainer.learn_and_serve(&[example], &[0]).unwrap();
    let served = report.ranked[0].served.unwrap();
    [served.relevance, served.personal]
}

#[test]
fn evaluation_trainer_and_server_make_the_same_lists() {
    let folder = tempfile::tempdir().unwrap();
    let split = Split::new(Protocol::O1, data(folder.path())).unwrap();
    assert!(split.filter_seen);
    let attention = EncoderKind::Attention;
    for (architecture, encoder) in [
        (Architecture::Hmisr, attention),
        (Architecture::Hmisr, EncoderKind::Recurrence),
        (Architecture::Sasrec, attention),
    ] {
        let place = folder.path().join(format!("{architecture}-{encoder:?}"));
        let artifact = published(architecture, encoder, &split, &place);
        let sources = &artifact.manifest().sources;
        let speaks = |(source, weight): (&String, &f64)| source != "network" && *weight > 0.0;
        assert!(sources.len() == 6 && sources.iter().any(speaks), "{sources:?}");
        let mut neural = Neural::published(&artifact, &split).unwrap();
        // One query at a time, as a server asks: then even the last bit is the same.
        let alone = EvaluateOptions { batch: 1, ..EvaluateOptions::default() };
        let relevance = evaluate(&split, &split.test, &mut neural, alone, |_, _| {}).unwrap();
        let settings = Settings { listen: "127.0.0.1:0".to_owned(), ..Settings::default() };
        let most = Lambda::Personal { most: settings.lambda_max };
        let personal = rerank(&split, &relevance, Arm::Likely, most);

        let features = UserFeatures::new(&split.data, &artifact.manifest().features, |_| false);
        let users: HashMap<Id, Kept> = split
            .test
            .iter()
            .map(|case| (split.data.users[case.user as usize].clone(), kept(&split, &features, *case)))
            .collect();
        assert!(users.values().any(|kept| kept.features.window.switch_rate > 0.0));
        let registry = prometheus::Registry::new();
        let metrics = Arc::new(Metrics::new(&registry).unwrap());
        let slot = Arc::new(ModelSlot::new());
        let snapshots = Arc::new(Snapshots::new(place.join("snapshots")));
        Watcher::new(snapshots, slot.clone(), metrics.clone(), Duration::from_secs(1)).check();
        let api =
            Api::new(settings.clone(), registry, metrics.clone(), Arc::new(Users(users.clone()))).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let server =
            HttpServer::start(api.with_models(slot).router(), settings, metrics, stop.clone()).unwrap();
        let ask = |user: &Id, more: &str| -> Value {
            let url = format!("{}/v1/recommend?user_id={user}&k=10{more}", server.url());
            let text = ureq::get(&url).call().unwrap().body_mut().read_to_string().unwrap();
            serde_json::from_str(&text).unwrap()
        };

        let mut moved = 0;
        for (at, case) in split.test.iter().enumerate() {
            let user = &split.data.users[case.user as usize];
            let now = format!("&now={}", split.target(*case).ts_ms);
            let (by_relevance, own) = (ask(user, &format!("&lambda=0{now}")), ask(user, &now));
            assert_eq!(
                served(&by_relevance),
                list(&split, &relevance, at),
                "{architecture}, user {user}, λ = 0"
            );
            assert_eq!(served(&own), list(&split, &personal, at), "{architecture}, user {user}, personal");
            let diversity = relevance.results[at].diversity;
            assert_eq!(own["diversity_score"].as_f64().map(|score| score as f32), diversity);
            assert_eq!(own["lambda"].as_f64().unwrap() as f32, most.of(diversity));
            moved += usize::from(served(&own) != served(&by_relevance));

            let rank = |answers: &PerCase| answers.results[at].rank.filter(|rank| *rank <= 10.0);
            assert_eq!(
                asked(&artifact, &split, *case, &users[user]),
                [rank(&relevance), rank(&personal)],
                "user {user}"
            );
        }
        assert_eq!(moved > 0, architecture.ranks(), "the user's own λ moves lists");

        // Many at once are padded to one length: the same but for rounding.
        let together =
            evaluate(&split, &split.test, &mut neural, EvaluateOptions::default(), |_, _| {}).unwrap();
        for (one, other) in relevance.results.iter().zip(&together.results) {
            for ((_, one), (_, other)) in one.top.iter().zip(&other.top) {
                assert!((one - other).abs() <= 1e-4 * one.abs().max(1.0), "{one} and {other}");
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        server.join().unwrap();
    }
}
