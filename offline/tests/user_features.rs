//! Users' features of a data set are those that a job would have kept of it.
#![allow(clippy::unwrap_used)]

use hmisr_features::{FeatureSettings, Features, Id, Interaction, ItemCount, PartitionState, UserState};
use hmisr_model::random::SplitMix;
use hmisr_offline::{Dataset, UserFeatures};

use crate::common::dataset;

const DAY: i64 = 24 * 3_600_000;
const SHOWN: &str = "impression";

/// Users who come and go, some for longer than their state is kept.
fn visits() -> Dataset {
    let mut random = SplitMix::new(5);
    let events: Vec<Vec<(u32, i64)>> = (0..40)
        .map(|user| {
            let mut ts = 1_000 * DAY + i64::from(user);
            (0..5 + random.below(60))
                .map(|_| {
                    let pause =
                        if random.below(25) == 0 { 100 * DAY } else { i64::from(random.below(9)) * DAY };
                    ts += pause;
                    (random.below(30) * random.below(2) + random.below(4), ts)
                })
                .collect()
        })
        .collect();
    let categories: Vec<Vec<u32>> = (0..40).map(|item| vec![item % 6]).collect();
    let mut data = dataset(&events, &categories.iter().map(Vec::as_slice).collect::<Vec<_>>());
    data.actions.push(SHOWN.to_owned());
    // Some were shown alone, and some given back.
    for event in data.events.iter_mut().flatten() {
        event.action = u16::from(random.below(5) == 0);
        event.weight = [None, Some(2.0), Some(-1.0)][random.below(3) as usize];
    }
    data
}

/// Before each event, by the definition: all events in the order of their times, every user's state kept.
fn by_definition(data: &Dataset, settings: &FeatureSettings) -> Vec<Vec<Features>> {
    let mut order: Vec<(i64, usize, usize)> = Vec::new();
    for (user, events) in data.events.iter().enumerate() {
        order.extend(events.iter().enumerate().map(|(at, event)| (event.ts_ms, user, at)));
    }
    order.sort_unstable();
    let mut partition = PartitionState::default();
    let mut users = vec![UserState::default(); data.users.len()];
    let mut items = vec![ItemCount::default(); data.items.len()];
    let mut before = vec![Vec::new(); data.users.len()];
    for (ts, user, at) in order {
        let item = data.events[user][at].item as usize;
        partition.admit(settings, &mut users[user], ts).unwrap();
        before[user].push(Features { tail: false, ..users[user].features(settings) });
        let category = Id::parse(&data.categories[data.item_categories[item][0] as usize]).unwrap();
        let event = Interaction::new(&data.items[item], &category, ts);
        let of = (&data.users[user], &mut users[user]);
        let told = data.events[user][at];
        match told.action == 1 || told.weight == Some(-1.0) {
            true => partition.note(settings, 0, of, &event),
            false => drop(partition.update(settings, 0, of, &mut items[item], &event)),
        }
    }
    before
}

#[test]
fn features_before_an_event_are_those_of_the_stream() {
    let data = visits();
    for window in [200, 7] {
        let settings = FeatureSettings { window, popularity_epoch: 50, ..FeatureSettings::default() };
        let (found, expected) =
            (UserFeatures::new(&data, &settings, |action| action == SHOWN), by_definition(&data, &settings));
        for (user, expected) in expected.iter().enumerate() {
            for (at, expected) in expected.iter().enumerate() {
                assert_eq!(found.before(&data, user as u32, at), *expected, "user {user}, event {at}");
            }
            let mut each = Vec::new();
            found.each(&data, user as u32, expected.len() - 1, |_, features| each.push(*features));
            assert_eq!(each, *expected, "user {user}");
        }
        let all = || expected.iter().flatten();
        assert!(all().any(|features| features.window.tail_ratio > 0.0));
        let anew = |features: &[Features]| {
            features.windows(2).any(|pair| pair[0].lifetime.events > 0 && pair[1].lifetime.events == 0)
        };
        assert!(expected.iter().any(|features| anew(features)), "a state expires");
        assert_eq!(all().any(|features| features.window != features.lifetime), window == 7);
    }
}
