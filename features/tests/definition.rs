//! On random streams the accumulators agree with the definitions written out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::collections::{BTreeMap, HashMap, HashSet};

use hmisr_features::{
    Diversity, FeatureSettings, Id, Interaction, ItemCount, PartitionState, UserState, is_expired,
    is_removable,
};
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Event {
    user: u32,
    item: u32,
    category: u32,
    /// How far the world's time goes on.
    step_ms: i64,
    /// How wrong the event's clock is.
    error_ms: i64,
    is_tail: Option<bool>,
    positive: bool,
}

fn event(users: u32) -> impl Strategy<Value = Event> {
    let error = prop_oneof![12 => Just(0), 1 => -2_000..2_000i64, 1 => any::<i32>().prop_map(i64::from)];
    let is_tail = prop::option::weighted(0.1, any::<bool>());
    let positive = prop::bool::weighted(0.85);
    (0..users, 0..12u32, 0..5u32, -40..60i64, error, is_tail, positive).prop_map(
        |(user, item, category, step_ms, error_ms, is_tail, positive)| Event {
            user,
            item,
            category,
            step_ms,
            error_ms,
            is_tail,
            positive,
        },
    )
}

fn settings() -> impl Strategy<Value = FeatureSettings> {
    (1..9usize, 1..9usize, 1..20u64, 0.05..1.0f64, 1..40u64, 0..60i64, 0..1_500i64).prop_map(
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
    clock: Option<i64>,
    users: HashMap<u32, User>,
    /// The user of every applied event.
    applied: Vec<u32>,
    counts: BTreeMap<u32, u64>,
    threshold: u64,
}

/// What the definition knows of a user.
#[derive(Default)]
struct User {
    newest: Option<i64>,
    /// Positive events: category, tail mark.
    run: Vec<(u32, bool)>,
    /// Items of all events.
    visits: Vec<u32>,
}

/// What a record says: lifetime, window, recent diversity, tail.
type Expected = (Diversity, Diversity, f64, bool);

impl Reference {
    /// The record; none for an event that is not positive. An error is one that is late.
    fn apply(&mut self, s: &FeatureSettings, e: &Event, ts: i64) -> Result<Option<Expected>, ()> {
        let clock = self.clock;
        let user = self.users.entry(e.user).or_default();
        // A newest time that is more than the TTL ahead of the clock counts as the clock.
        let mut taken = user.newest;
        if let (Some(newest), Some(clock)) = (user.newest, clock)
            && newest - clock > s.ttl_ms
        {
            taken = Some(clock);
        }
        let own_gap = taken.is_some_and(|taken| ts - taken > s.ttl_ms);
        let long_gone =
            matches!((user.newest, clock), (Some(newest), Some(clock)) if clock - newest > 2 * s.ttl_ms);
        if own_gap || long_gone {
            *user = User::default();
            taken = None;
        }
        if taken.is_some_and(|taken| taken - ts > s.max_lateness_ms) {
            return Err(());
        }
        user.newest = Some(taken.unwrap_or(ts).max(ts));
        user.visits.push(e.item);
        if !e.positive {
            return Ok(None);
        }
        let count = self.counts.entry(e.item).or_default();
        let tail = e.is_tail.unwrap_or(*count < self.threshold);
        user.run.push((e.category, tail));
        *count += 1;
        self.applied.push(e.user);
        let applied = self.applied.len() as u64;
        if applied.is_multiple_of(s.half_life_events) {
            self.counts.values_mut().for_each(|count| *count /= 2);
        }
        if applied.is_multiple_of(s.popularity_epoch) {
            let total: u64 = self.counts.values().sum();
            let head = |c: u64| self.counts.values().filter(|&&count| count >= c).sum::<u64>();
            self.threshold =
                (1..=total).rev().find(|&c| head(c) as f64 >= s.head_share * total as f64).unwrap_or(0);
        }
        if applied.is_multiple_of(64) {
            let mut seen: Vec<u32> = Vec::new();
            for user in self.applied.iter().rev() {
                if seen.len() < 255 && !seen.contains(user) {
                    seen.push(*user);
                }
            }
            let mut newest: Vec<i64> = seen.iter().map(|user| self.users[user].newest.unwrap()).collect();
            newest.sort_unstable();
            if newest.len() >= 16 {
                self.clock = self.clock.max(Some(newest[(newest.len() - 1) / 2]));
            }
        }
        let run = &self.users[&e.user].run;
        let window = &run[run.len().saturating_sub(s.window)..];
        let recent: Vec<u32> = run.iter().rev().take(s.recent).map(|event| event.0).collect();
        let distinct: HashSet<u32> = recent.iter().copied().collect();
        Ok(Some((define(run), define(window), distinct.len() as f64 / recent.len() as f64, tail)))
    }
}

fn define(run: &[(u32, bool)]) -> Diversity {
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
        tail_ratio: run.iter().filter(|event| event.1).count() as f64 / n,
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
        events in (1..60u32).prop_flat_map(|users| prop::collection::vec(event(users), 1..700)),
        keep in 0..12usize,
    ) {
        let mut reference = Reference::default();
        let mut partition = PartitionState::default();
        let mut users: HashMap<u32, UserState> = HashMap::new();
        let mut items: HashMap<u32, ItemCount> = HashMap::new();
        let mut now = 1_000;
        for e in &events {
            now += e.step_ms;
            let ts = now + e.error_ms;
            let user = users.entry(e.user).or_default();
            let admitted = partition.admit(&settings, user, ts);
            let expected = reference.apply(&settings, e, ts);
            prop_assert_eq!(admitted.is_ok(), expected.is_ok());
            let Ok(expected) = expected else { continue };
            let (id, item, category) = (Id::from(e.user), Id::from(e.item), Id::from(e.category));
            let event = Interaction { is_tail: e.is_tail, ..Interaction::new(&item, &category, ts) };
            match expected {
                Some((lifetime, window, recent, tail)) => {
                    let item = items.entry(e.item).or_default();
                    let features = partition.update(&settings, keep, (&id, user), item, &event);
                    assert_close(&features.lifetime, &lifetime);
                    assert_close(&features.window, &window);
                    prop_assert_eq!(features.recent_diversity, recent);
                    prop_assert_eq!(features.tail, tail);
                }
                None => partition.note(&settings, keep, (&id, user), &event),
            }
            prop_assert_eq!(partition.clock.now(), reference.clock);
            let known = &reference.users[&e.user];
            prop_assert_eq!(user.newest_ts(), known.newest);
            prop_assert_eq!(user.visited(), known.visits.len() as u64);
            let newest = &known.visits[known.visits.len().saturating_sub(keep)..];
            let visits: Vec<_> = user.visits().map(|visit| visit.item.as_int().unwrap() as u32).collect();
            prop_assert_eq!(visits, newest);
        }
        // What look-ups answer and what compaction removes.
        for (id, known) in &reference.users {
            let (Some(clock), Some(newest)) = (reference.clock, known.newest) else { continue };
            prop_assert_eq!(users[id].newest_ts(), Some(newest));
            let now = partition.clock.now();
            prop_assert_eq!(is_expired(&settings, now, newest), clock - newest > settings.ttl_ms);
            prop_assert_eq!(is_removable(&settings, now, newest), clock - newest > 2 * settings.ttl_ms);
        }
    }

    /// Up to seven of the partition's users have clocks as wrong as can be, and send as much as they like.
    #[test]
    fn no_event_of_another_user_shows(
        good in prop::collection::vec((0..80u32, 0..5u32, 0..1_000i64, 0..3usize), 100..400),
        wrong in prop::collection::vec((0..7u32, any::<i32>()), 0..400),
        positive in prop::bool::weighted(0.8),
    ) {
        let settings = FeatureSettings { ttl_ms: 1_000, max_lateness_ms: 1_000, ..FeatureSettings::default() };
        let run = |with_wrong: bool| {
            let mut partition = PartitionState::default();
            let mut users: HashMap<u32, UserState> = HashMap::new();
            let (mut records, mut wrong) = (Vec::new(), wrong.iter().cycle().take(wrong.len() * 2));
            let mut send = |user: u32, category: u32, ts: i64, positive: bool| {
                let (id, state) = (Id::from(user), users.entry(user).or_default());
                let (item, category) = (Id::from(1), Id::from(category));
                let event = Interaction { is_tail: Some(false), ..Interaction::new(&item, &category, ts) };
                let admitted = partition.admit(&settings, state, ts).is_ok();
                let features = match (admitted, positive) {
                    (false, _) => None,
                    (true, false) => {
                        partition.note(&settings, 5, (&id, state), &event);
                        None
                    }
                    (true, true) => {
                        let mut count = ItemCount::default();
                        Some(partition.update(&settings, 5, (&id, state), &mut count, &event))
                    }
                };
                let now = partition.clock.now();
                let newest = state.newest_ts().unwrap_or(ts);
                (admitted, features, is_expired(&settings, now, newest), is_removable(&settings, now, newest))
            };
            for (user, category, ts, between) in &good {
                for (user, error) in wrong.by_ref().take(*between).filter(|_| with_wrong) {
                    send(1_000 + user, 0, i64::from(*error), positive);
                }
                records.push(send(*user, *category, *ts, true));
            }
            records
        };
        prop_assert_eq!(run(true), run(false));
    }

    #[test]
    fn long_runs_do_not_drift(seed in any::<u64>()) {
        let settings = FeatureSettings::default();
        let (item, mut user) = (Id::from(0), UserState::default());
        let (mut state, mut run) = (seed, Vec::new());
        for ts in 0..20_000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let category = Id::from((state >> 33) as u32 % 17);
            let tail = state & 1 << 40 != 0;
            run.push((category.as_int().unwrap() as u32, tail));
            user.push(&settings, 0, &Interaction::new(&item, &category, ts), tail);
        }
        let given = user.features(&settings);
        assert_close(&given.lifetime, &define(&run));
        assert_close(&given.window, &define(&run[run.len() - settings.window..]));
    }
}
