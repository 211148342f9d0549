//! The generator keeps its word: the truth explains the events.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::collections::HashMap;

use hmisr_feed::generator::{MAX_PERIODS, ceiling};
use hmisr_feed::{EventSource, FeedError, Generator, GeneratorSettings, GroundTruth};
use hmisr_stream::contract::Event;

fn settings(events: u64) -> GeneratorSettings {
    GeneratorSettings { events: Some(events), ..GeneratorSettings::default() }
}

fn all(settings: &GeneratorSettings) -> (Vec<Event>, GroundTruth) {
    let mut generator = Generator::new(settings.clone()).unwrap();
    let events: Vec<Event> = std::iter::from_fn(|| generator.next_event()).collect();
    (events, generator.ground_truth().clone())
}

fn int(id: &hmisr_stream::contract::Id) -> u64 {
    id.as_int().unwrap()
}

#[test]
fn a_seed_gives_the_same_bytes_and_another_seed_others() {
    let bytes = |seed| {
        let settings = GeneratorSettings { seed, ..settings(5_000) };
        crate::common::drain(&mut Generator::new(settings).unwrap()).unwrap()
    };
    assert_eq!(bytes(7), bytes(7));
    assert_ne!(bytes(7), bytes(8));
}

/// Where this fails the stream has changed, so a restart would mix two streams: raise
/// `GENERATOR_VERSION`, then take over the new lines.
#[test]
fn the_stream_is_that_of_its_version() {
    let mut generator = Generator::new(settings(3)).unwrap();
    let lines: Vec<String> = crate::common::drain(&mut generator)
        .unwrap()
        .into_iter()
        .map(|line| String::from_utf8(line.payload).unwrap())
        .collect();
    assert!(generator.fingerprint().starts_with("generator version 1 "));
    assert_eq!(
        lines,
        [
            r#"{"user_id":639,"item_id":316,"category":16,"action":"click","ts":1577836800000}"#,
            r#"{"user_id":808,"item_id":1717,"category":17,"action":"click","ts":1577836800035}"#,
            r#"{"user_id":639,"item_id":1416,"category":16,"action":"click","ts":1577836800148}"#
        ]
    );
}

#[test]
fn a_shorter_stream_is_the_beginning_of_a_longer_one() {
    let (short, long) = (all(&settings(1_000)), all(&settings(3_000)));
    assert_eq!(short.0, long.0[..1_000]);
    let endless = Generator::new(GeneratorSettings::default()).unwrap();
    assert_eq!((endless.total(), endless.share_read()), (None, None));
}

#[test]
fn events_fall_into_the_true_interests_by_their_weights() {
    let settings = GeneratorSettings { drift: 0.05, ..settings(200_000) };
    let (events, truth) = all(&settings);
    let (mut inside, mut expected) = (0_u32, 0.0);
    let mut strongest = (0_u32, 0.0);
    let mut last_ts = i64::MIN;
    for event in &events {
        assert!(event.ts > last_ts);
        last_ts = event.ts;
        let interests = truth.interests_at(int(&event.user_id), event.ts).unwrap();
        assert!((interests.iter().map(|interest| interest.weight).sum::<f64>() - 1.0).abs() < 1e-9);
        inside += u32::from(interests.iter().any(|interest| interest.category == int(&event.category)));
        let by_chance = settings.exploration / f64::from(settings.categories);
        expected += 1.0 - settings.exploration + by_chance * interests.len() as f64;
        strongest.0 += u32::from(interests[0].category == int(&event.category));
        strongest.1 += (1.0 - settings.exploration) * interests[0].weight + by_chance;
    }
    let n = events.len() as f64;
    assert!((f64::from(inside) - expected).abs() / n < 0.005, "{inside} of {n}, expected {expected}");
    // Sessions make these draws depend on one another, hence more room.
    assert!((f64::from(strongest.0) - strongest.1).abs() / n < 0.015, "{strongest:?} of {n}");
    let drifted = truth.users.iter().filter(|user| user.periods.len() > 1).count();
    assert!(drifted > 300, "{drifted} users drifted");
    assert!(truth.users.iter().all(|user| user.periods.len() <= MAX_PERIODS));
    // Without the drift the truth would not explain as much.
    let first = |event: &Event| &truth.users[int(&event.user_id) as usize - 1].periods[0].interests;
    let by_first = |event: &&Event| first(event).iter().any(|i| i.category == int(&event.category));
    assert!(events.iter().filter(by_first).count() < inside as usize * 97 / 100);
}

#[test]
fn users_act_in_bursts_and_items_follow_their_neighbours() {
    let settings = GeneratorSettings { drift: 0.0, ..settings(200_000) };
    let (events, _) = all(&settings);
    let items_in_order: Vec<&Event> = events.iter().collect();
    let open: Vec<usize> = items_in_order
        .chunks(500)
        .map(|chunk| {
            chunk.iter().map(|event| int(&event.user_id)).collect::<std::collections::HashSet<_>>().len()
        })
        .collect();
    let mean = open.iter().sum::<usize>() as f64 / open.len() as f64;
    // 50 open sessions and 500 events of which each ends one with probability 1/10.
    assert!((60.0..110.0).contains(&mean), "{mean} users in 500 events");
    let mut last: HashMap<(u64, u64), u64> = HashMap::new();
    let mut pairs: HashMap<u64, HashMap<u64, u32>> = HashMap::new();
    for event in &events {
        let (user, item, category) = (int(&event.user_id), int(&event.item_id), int(&event.category));
        if let Some(before) = last.insert((user, category), item) {
            *pairs.entry(before).or_default().entry(item).or_default() += 1;
        }
    }
    let (mut top_three, mut all) = (0, 0);
    for after in pairs.values() {
        let mut counts: Vec<u32> = after.values().copied().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        top_three += counts.iter().take(3).sum::<u32>();
        all += counts.iter().sum::<u32>();
    }
    let share = f64::from(top_three) / f64::from(all);
    assert!(share > settings.follow * 0.9, "the three usual successors take {share}");
}

#[test]
fn the_ceiling_lies_far_above_popularity() {
    let ceiling = ceiling(&GeneratorSettings::default(), 40_000).unwrap();
    println!("{ceiling:?}");
    assert!(ceiling.hit_rate > 5.0 * ceiling.popularity_hit_rate, "{ceiling:?}");
    assert!(ceiling.hit_rate < 1.0 && ceiling.ndcg < ceiling.hit_rate, "{ceiling:?}");
    // A stream without choice is known in full; one without structure is popularity alone.
    let one_way = GeneratorSettings {
        neighbours: 1,
        follow: 1.0,
        exploration: 0.0,
        max_interests: 1,
        drift: 0.0,
        ..GeneratorSettings::default()
    };
    let known = hmisr_feed::generator::ceiling(&one_way, 40_000).unwrap();
    assert!((known.hit_rate - 1.0).abs() < 0.01, "{known:?}");
    let flat =
        GeneratorSettings { categories: 1, max_interests: 1, follow: 0.0, ..GeneratorSettings::default() };
    let flat = hmisr_feed::generator::ceiling(&flat, 40_000).unwrap();
    assert!((flat.hit_rate - flat.popularity_hit_rate).abs() < 0.02, "{flat:?}");
}

#[test]
fn the_truth_reads_back_and_can_be_made_again() {
    let settings = GeneratorSettings { drift: 0.3, ..settings(5_000) };
    let (_, truth) = all(&settings);
    assert_eq!(truth.events, 5_000);
    assert!(GroundTruth::after(&settings, 5_000).unwrap() == truth);
    let folder = crate::common::folder(&[("bad.json", b"{\"events\": 1}")]);
    let path = folder.path().join("truth.json");
    truth.write(&path).unwrap();
    assert!(crate::common::same_truth(&GroundTruth::read(&path).unwrap(), &truth));
    let error = GroundTruth::read(&folder.path().join("bad.json")).unwrap_err();
    assert!(
        matches!(&error, FeedError::Unreadable { .. }) && error.to_string().contains("bad.json"),
        "{error}"
    );
}

#[test]
fn small_worlds_work() {
    for (users, categories) in [(1, 1), (2, 1), (3, 5)] {
        let settings = GeneratorSettings {
            users,
            categories,
            items: 4 * categories,
            max_interests: categories,
            drift: 1.0,
            session_events: 1.0,
            ..settings(500)
        };
        assert_eq!(all(&settings).0.len(), 500);
    }
}
