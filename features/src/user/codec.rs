//! The stored form of a user.
//!
//! Small by construction, since a busy user is rewritten at every commit: integers are varints,
//! and the visits are copied as they are kept. The newest event's time comes first, so that who
//! only asks whether the user has expired reads no further. Reading gives back the very state that
//! was written, the rounding of the running sums included, so that eviction from a cache never
//! changes a result.

use super::UserState;
use super::names::{Actions, Categories};
use super::positives::Positives;
use super::visits::Visits;
use crate::varint::{Reader, put, put_signed};
use crate::{FeatureSettings, Totals};

impl UserState {
    /// Appends the stored form; nothing for a user without events.
    pub fn write(&self, out: &mut Vec<u8>) {
        let Some(newest_ts) = self.newest_ts else { return };
        put_signed(out, newest_ts);
        out.extend_from_slice(&self.lifetime.s.to_le_bytes());
        out.extend_from_slice(&self.window.s.to_le_bytes());
        put(out, self.lifetime.switches);
        put(out, self.lifetime.tails);
        put(out, self.visited);
        self.categories.write(out);
        self.positives.write(out);
        put(out, self.event_ids.len() as u64);
        for id in &self.event_ids {
            put(out, id.len() as u64);
            out.extend_from_slice(id.as_bytes());
        }
        self.actions.write(out);
        self.visits.write(out);
    }

    /// Reads what [`UserState::write`] wrote under the same settings; none where the bytes are
    /// something else.
    pub fn read(settings: &FeatureSettings, bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let newest_ts = Some(reader.signed()?);
        let (s, window_s) = (reader.float()?, reader.float()?);
        let (switches, tails) = (reader.unsigned()?, reader.unsigned()?);
        let visited = reader.unsigned()?;
        let categories = Categories::read(&mut reader)?;
        let mut user = Self { newest_ts, visited, categories, ..Self::default() };
        user.lifetime = Totals { switches, tails, s, ..Totals::default() };
        for category in &user.categories.list {
            user.lifetime.events += u64::from(category.lifetime);
            user.lifetime.distinct += u64::from(category.lifetime > 0);
        }
        user.take_positives(settings, &mut reader)?;
        user.window.s = window_s;
        for _ in 0..reader.count()? {
            let length = reader.count()?;
            let id = std::str::from_utf8(reader.bytes(length)?).ok()?;
            user.id_bytes += id.len() + size_of::<Box<str>>();
            user.event_ids.push_back(id.into());
        }
        user.actions = Actions::read(&mut reader)?;
        user.visits = Visits::read(&mut reader)?;
        reader.is_empty().then_some(user)
    }

    /// Takes the newest positive events in, and counts what follows from them.
    fn take_positives(&mut self, settings: &FeatureSettings, reader: &mut Reader<'_>) -> Option<()> {
        let Self { categories, window, recent_distinct, last, .. } = self;
        let runs = (settings.window, settings.recent);
        self.positives = Positives::read(reader, runs, |event, in_window, is_recent| {
            let category = categories.list.get_mut(event.category)?;
            if in_window {
                let switched = window.events > 0 && last.is_some_and(|it| it.category != event.category);
                window.push(category.window, event.tail, switched);
                category.window += 1;
            }
            if is_recent {
                *recent_distinct += u32::from(category.recent == 0);
                category.recent += 1;
            }
            *last = Some(event);
            Some(())
        })?;
        Some(())
    }
}

/// Two users are equal where their stored forms are: what was dropped from memory does not count.
impl PartialEq for UserState {
    fn eq(&self, other: &Self) -> bool {
        let stored = |user: &Self| {
            let mut bytes = Vec::new();
            user.write(&mut bytes);
            bytes
        };
        stored(self) == stored(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Id, Interaction};
    use proptest::prelude::*;

    fn id() -> impl Strategy<Value = Id> {
        prop_oneof![
            (0..6u32).prop_map(Id::from),
            any::<u32>().prop_map(Id::from),
            "[a-c]{1,3}".prop_map(|text| Id::text(&text).unwrap()),
            (0..9u32).prop_map(|n| Id::text(&n.to_string()).unwrap()),
        ]
    }

    fn written(user: &UserState) -> Vec<u8> {
        let mut bytes = Vec::new();
        user.write(&mut bytes);
        bytes
    }

    /// Whether positive, item, categories, time, tail mark, action, weight.
    type Event = (bool, Id, Vec<Id>, i64, bool, String, Option<f32>);

    fn event() -> impl Strategy<Value = Event> {
        let weight = prop_oneof![
            Just(None),
            (0..200u8).prop_map(|n| Some(f32::from(n) / 8.0)),
            any::<f32>().prop_map(Some),
            Just(Some(-0.0)),
        ];
        (
            any::<bool>(),
            id(),
            prop_oneof![5 => prop::collection::vec(id(), 1..2), 1 => prop::collection::vec(id(), 1..11)],
            -1_000..1_000_000_000_000i64,
            any::<bool>(),
            "[a-f]{0,2}",
            weight,
        )
    }

    proptest! {
        #[test]
        fn a_user_reads_back_bit_for_bit_and_goes_on_alike(
            (window, recent, keep) in (1..12usize, 1..12usize, 0..12usize),
            events in prop::collection::vec(event(), 1..600),
        ) {
            let settings = FeatureSettings { window, recent, dedup_events: 4, ..FeatureSettings::default() };
            let (mut user, mut stored) = (UserState::default(), UserState::default());
            for (positive, item, categories, ts, tail, action, weight) in &events {
                let event = Interaction {
                    item,
                    category: &categories[0],
                    more_categories: &categories[1..],
                    ts: *ts,
                    is_tail: None,
                    action,
                    weight: *weight,
                };
                let id = format!("{}", ts % 7);
                prop_assert_eq!(user.has_event(&id), stored.has_event(&id));
                for user in [&mut user, &mut stored] {
                    match positive {
                        true => user.push(&settings, keep, &event, *tail),
                        false => user.note(keep, &event),
                    }
                    user.remember_event(&settings, &id);
                }
                stored = UserState::read(&settings, &written(&stored)).unwrap();
                prop_assert_eq!(user.features(&settings), stored.features(&settings));
                prop_assert!(stored.has_whole_visits());
            }
            let bytes = written(&user);
            prop_assert_eq!(&bytes, &written(&stored));
            prop_assert_eq!(UserState::read(&settings, &bytes[..bytes.len() - 1]).is_none(), true);
            prop_assert_eq!(stored.newest_ts(), user.newest_ts());
            prop_assert_eq!(stored.window(), user.window());
            prop_assert_eq!(stored.lifetime(), user.lifetime());
            prop_assert_eq!(stored.visited(), events.len() as u64);

            let newest = &events[events.len().saturating_sub(keep)..];
            prop_assert_eq!(stored.visits().len(), newest.len());
            for (visit, (positive, item, categories, ts, tail, action, weight)) in stored.visits().zip(newest) {
                let all: Vec<&Id> = std::iter::once(visit.category).chain(visit.more_categories).collect();
                prop_assert_eq!(all, categories.iter().take(8).collect::<Vec<_>>());
                prop_assert_eq!((&visit.item, visit.ts, visit.action), (item, *ts, action.as_str()));
                prop_assert_eq!(visit.tail, *positive && *tail);
                prop_assert_eq!(visit.weight.map(f32::to_bits), weight.map(f32::to_bits));
            }
            let passed = newest.len() / 2;
            prop_assert_eq!(stored.visits().skip(passed).count(), newest.len() - passed);
        }

        #[test]
        fn places_are_given_again_so_that_a_user_stays_small(
            events in prop::collection::vec(event(), 400),
        ) {
            let settings = FeatureSettings::default();
            let mut user = UserState::default();
            for (n, (_, item, _, ts, ..)) in events.iter().enumerate() {
                let (category, action) = (Id::from(n as u32), n.to_string());
                let event = Interaction { action: &action, ..Interaction::new(item, &category, *ts) };
                user.note(20, &event);
            }
            prop_assert!(user.categories().len() <= 21, "{}", user.categories().len());
            prop_assert_eq!(user.features(&settings), UserState::default().features(&settings));
            prop_assert!(written(&user).len() < 1_000, "{}", written(&user).len());
        }

        #[test]
        fn rubbish_is_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(user) = UserState::read(&FeatureSettings::default(), &bytes) {
                user.visits().count();
                user.has_whole_visits();
            }
        }
    }
}
