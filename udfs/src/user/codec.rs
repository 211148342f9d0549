//! The stored form of a user.
//!
//! Small by construction, since a busy user is rewritten at every commit: integers are varints,
//! and the visits are copied as they are kept. The newest event's time comes first, so that who
//! only asks whether the user has expired reads no further. Reading gives back the very state that
//! was written, the rounding of the running sums included, so that eviction from a cache never
//! changes a result.

use super::visits::Visits;
use super::{Category, UserState};
use crate::id::{put_id, take_id};
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
        put(out, self.categories.len() as u64);
        for category in &self.categories {
            put_id(out, &category.id, 0);
            put(out, u64::from(category.lifetime));
        }
        put(out, self.event_ids.len() as u64);
        for id in &self.event_ids {
            put(out, id.len() as u64);
            out.extend_from_slice(id.as_bytes());
        }
        let (ts, len, bytes) = self.visits.parts();
        put_signed(out, ts);
        put(out, len as u64);
        out.extend_from_slice(bytes);
    }

    /// Reads what [`UserState::write`] wrote under the same settings; none where the bytes are
    /// something else.
    pub fn read(settings: &FeatureSettings, bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let newest_ts = reader.signed()?;
        let (s, window_s) = (reader.float()?, reader.float()?);
        let (switches, tails) = (reader.unsigned()?, reader.unsigned()?);
        let count = reader.count()?;
        let mut user =
            Self { newest_ts: Some(newest_ts), categories: Vec::with_capacity(count), ..Self::default() };
        user.lifetime = Totals { switches, tails, s, ..Totals::default() };
        for _ in 0..count {
            let (id, _) = take_id(&mut reader)?;
            let lifetime = u32::try_from(reader.unsigned()?).ok()?;
            user.lifetime.events += u64::from(lifetime);
            user.lifetime.distinct += u64::from(lifetime > 0);
            user.text_bytes += id.heap_bytes();
            user.categories.push(Category { id, lifetime, window: 0, recent: 0 });
        }
        for _ in 0..reader.count()? {
            let length = reader.count()?;
            let id = std::str::from_utf8(reader.bytes(length)?).ok()?;
            user.text_bytes += id.len() + size_of::<Box<str>>();
            user.event_ids.push_back(id.into());
        }
        let parts = (reader.signed()?, reader.count()?, reader.rest());
        user.take_visits(settings, parts)?;
        user.window.s = window_s;
        Some(user)
    }

    /// Takes the visits in, and counts what follows from them.
    fn take_visits(&mut self, settings: &FeatureSettings, parts: (i64, usize, &[u8])) -> Option<()> {
        let Self { categories, window, recent_distinct, .. } = self;
        let mut before: Option<(usize, bool)> = None;
        self.visits =
            Visits::read(parts, (settings.window, settings.recent), |step, in_window, is_recent| {
                let category = categories.get_mut(step.category)?;
                if in_window {
                    let switched =
                        window.events > 0 && before.is_some_and(|(category, _)| category != step.category);
                    window.push(category.window, step.tail, switched);
                    category.window += 1;
                }
                if is_recent {
                    *recent_distinct += u32::from(category.recent == 0);
                    category.recent += 1;
                }
                before = Some((step.category, step.tail));
                Some(())
            })?;
        self.last = before;
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
    use crate::{Id, Visit};
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

    proptest! {
        #[test]
        fn a_user_reads_back_bit_for_bit_and_goes_on_alike(
            (window, recent, keep) in (1..12usize, 1..12usize, 0..12usize),
            visits in prop::collection::vec((id(), id(), -1_000..1_000_000_000_000i64, any::<bool>()), 1..600),
        ) {
            let settings = FeatureSettings { window, recent, dedup_events: 4, ..FeatureSettings::default() };
            let (mut user, mut stored) = (UserState::default(), UserState::default());
            let mut kept = Vec::new();
            for (item, category, ts, tail) in visits {
                let visit = Visit { item, category, ts, tail };
                let id = format!("{}", visit.ts % 7);
                prop_assert_eq!(user.has_event(&id), stored.has_event(&id));
                for user in [&mut user, &mut stored] {
                    user.push(&settings, keep, &visit);
                    user.remember_event(&settings, &id);
                }
                kept.push(visit);
                stored = UserState::read(&settings, &written(&stored)).unwrap();
                prop_assert_eq!(user.features(&settings), stored.features(&settings));
            }
            let bytes = written(&user);
            prop_assert_eq!(&bytes, &written(&stored));
            prop_assert_eq!(UserState::read(&settings, &bytes[..bytes.len() - 1]).is_none(), true);
            let newest = kept.len().saturating_sub(window.max(recent).max(keep));
            prop_assert_eq!(stored.visits().collect::<Vec<_>>(), kept.split_off(newest));
            prop_assert_eq!(stored.newest_ts(), user.newest_ts());
            prop_assert_eq!(stored.window(), user.window());
            prop_assert_eq!(stored.lifetime(), user.lifetime());
        }

        #[test]
        fn rubbish_is_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = UserState::read(&FeatureSettings::default(), &bytes);
        }
    }
}
