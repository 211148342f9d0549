//! On random streams the accumulators agree with the definitions written out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::collections::{BTreeMap, HashMap};

use hmisr_features::{Diversity, FeatureSettings, Id, Interaction, ItemCount, PartitionState, UserState};
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Event {
    user: u32,
    item: u32,
    category: u32,
    step_ms: i64,
    is_tail: Option<bool>,
}

fn event() -> impl Strategy<Value = Event> {
    (0..4u32, 0..12u32, 0..5u32, -40..60i64, prop::option::weighted(0.1, any::<bool>()))
        .prop_map(|(user, item, category, step_ms, is_tail)| Event { user, item, category, step_ms, is_tail })
}

fn settings() -> impl Strategy<Value = FeatureSettings> {
    (1..9usize, 1..9usize, 1..20u64, 0.05..1.0f64, 1..40u64, 0..60i64, 0..400i64).prop_map(
        |(window, recent, popularity_epoch, head_share, half_life_events, max_lateness_ms, ttl_ms)| {
            FeatureSettings {
                window,
                recent,
                popularity_epoch,
                head_share,
                half_life_events,
                max_lateness_ms,
                ttl_ms,
                ..FeatureSettings::default()
            }
        },
    )
}

/// Everything kept, everything recomputed for every event.
#[derive(Default)]
struct Reference {
    watermark: i64,
    users: HashMap<u32, Vec<(u32, i64, bool)>>,
    counts: BTreeMap<u32, u64>,
    applied: u64,
    threshold: u64,
}

impl Reference {
    fn apply(
        &mut self,
        s: &FeatureSettings,
        e: &Event,
        ts: i64,
    ) -> Option<(Diversity, Diversity, f64, bool)> {
        let run = self.users.entry(e.user).or_default();
        let newest = |run: &Vec<(u32, i64, bool)>| run.iter().map(|event| event.1).max();
        if newest(run).is_some_and(|newest| self.watermark.max(ts) - newest > s.ttl_ms) {
            run.clear();
        }
        if newest(run).is_some_and(|newest| newest - ts > s.max_lateness_ms) {
            return None;
        }
        let count = self.counts.entry(e.item).or_default();
        let tail = e.is_tail.unwrap_or(*count < self.threshold);
        run.push((e.category, ts, tail));
        self.watermark = self.watermark.max(ts);
        *count += 1;
        self.applied += 1;
        if self.applied.is_multiple_of(s.half_life_events) {
            self.counts.values_mut().for_each(|count| *count /= 2);
        }
        if self.applied.is_multiple_of(s.popularity_epoch) {
            let total: u64 = self.counts.values().sum();
            let head = |c: u64| self.counts.values().filter(|&&count| count >= c).sum::<u64>();
            self.threshold =
                (1..=total).rev().find(|&c| head(c) as f64 >= s.head_share * total as f64).unwrap_or(0);
        }
        let window = &run[run.len().saturating_sub(s.window)..];
        let recent: Vec<u32> = run.iter().rev().take(s.recent).map(|event| event.0).collect();
        let distinct: std::collections::HashSet<u32> = recent.iter().copied().collect();
        Some((define(run), define(window), distinct.len() as f64 / recent.len() as f64, tail))
    }
}

fn define(run: &[(u32, i64, bool)]) -> Diversity {
    let n = run.len() as f64;
    let mut counts: BTreeMap<u32, f64> = BTreeMap::new();
    for event in run {
        *counts.entry(event.0).or_default() += 1.0;
    }
    let entropy: f64 = counts.values().map(|count| -(count / n) * (count / n).ln()).sum();
    let switches = run.windows(2).filter(|pair| pair[0].0 != pair[1].0).count() as f64;
    Diversity {
        events: run.len() as u64,
        entropy,
        evenness: if counts.len() < 2 { 0.0 } else { entropy / (counts.len() as f64).ln() },
        switch_rate: if run.len() < 2 { 0.0 } else { switches / (n - 1.0) },
        tail_ratio: run.iter().filter(|event| event.2).count() as f64 / n,
    }
}

fn assert_close(given: &Diversity, expected: &Diversity) {
    assert_eq!(given.events, expected.events);
    for (given, expected) in [
        (given.entropy, expected.entropy),
        (given.evenness, expected.evenness),
        (given.switch_rate, expected.switch_rate),
        (given.tail_ratio, expected.tail_ratio),
    ] {
        assert!((given - expected).abs() < 1e-9, "{given} is not {expected}");
    }
}

proptest! {
    #[test]
    fn accumulators_equal_the_definition(
        settings in settings(),
        events in prop::collection::vec(event(), 1..400),
        keep in 0..12usize,
    ) {
        let mut reference = Reference::default();
        let mut partition = PartitionState::default();
        let mut users: HashMap<u32, UserState> = HashMap::new();
        let mut items: HashMap<u32, ItemCount> = HashMap::new();
        let mut ts = 1_000;
        for e in &events {
            ts = (ts + e.step_ms).max(0);
            let user = users.entry(e.user).or_default();
            let admitted = partition.admit(&settings, user, ts);
            let expected = reference.apply(&settings, e, ts);
            prop_assert_eq!(admitted.is_ok(), expected.is_some());
            let Some((lifetime, window, recent, tail)) = expected else { continue };
            let item = items.entry(e.item).or_default();
            let event = Interaction {
                item: Id::from(e.item),
                category: Id::from(e.category),
                ts,
                is_tail: e.is_tail,
            };
            let features = partition.update(&settings, keep, user, item, event);
            assert_close(&features.lifetime, &lifetime);
            assert_close(&features.window, &window);
            prop_assert_eq!(features.recent_diversity, recent);
            prop_assert_eq!(features.tail, tail);
            prop_assert!(user.visits().len() >= keep.min(user.lifetime().events as usize));
        }
    }

    #[test]
    fn long_runs_do_not_drift(seed in any::<u64>()) {
        let settings = FeatureSettings::default();
        let mut user = UserState::default();
        let (mut state, mut run) = (seed, Vec::new());
        for ts in 0..20_000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let category = Id::from((state >> 33) as u32 % 17);
            let tail = state & 1 << 40 != 0;
            run.push((category.as_int().unwrap() as u32, ts, tail));
            user.push(&settings, 0, &hmisr_features::Visit { item: Id::from(0), category, ts, tail });
        }
        let given = user.features(&settings);
        assert_close(&given.lifetime, &define(&run));
        assert_close(&given.window, &define(&run[run.len() - settings.window..]));
    }
}
