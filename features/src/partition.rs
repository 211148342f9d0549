//! The state that the users of one partition share, and the order in which an event is applied.

use crate::{Clock, FeatureSettings, Features, Id, Interaction, ItemCount, Popularity, UserState};

/// The partition's clock and item popularity.
///
/// An event that passed validation is applied by [`PartitionState::admit`] (expiry, lateness),
/// then [`PartitionState::update`] (tail mark, update of the user, count of the item, halving,
/// new threshold, clock), or, where its action is not positive, [`PartitionState::note`]. Between the two
/// stands the user's state *before* the event, from which a training example is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionState {
    /// The partition's clock.
    pub clock: Clock,
    /// The partition's item popularity.
    pub popularity: Popularity,
}

/// The event is older than its user's newest by more than the allowed lateness.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "field `ts`: {ts} is {} ms older than the user's newest event at {newest}; features.max_lateness_ms allows {allowed}",
    newest.saturating_sub(*ts)
)]
pub struct Late {
    ts: i64,
    newest: i64,
    allowed: i64,
}

impl PartitionState {
    /// Resets a user whose state has expired, then tells whether the event is one that the user
    /// has had, by its id.
    pub fn is_duplicate(
        &self,
        settings: &FeatureSettings,
        user: &mut UserState,
        ts: i64,
        event_id: &str,
    ) -> bool {
        self.expire(settings, user, ts);
        user.has_event(event_id)
    }

    /// The user starts afresh with an event at `ts` that is more than the TTL after its newest, or where
    /// the partition's clock is beyond that by so much that compaction may have removed the user.
    fn expire(&self, settings: &FeatureSettings, user: &mut UserState, ts: i64) {
        let Some(own) = user.newest_ts() else { return };
        let is_over = ts.saturating_sub(self.taken(settings, own)) > settings.ttl_ms;
        if is_over || is_removable(settings, self.clock.now(), own) {
            *user = UserState::default();
        }
    }

    /// A user's newest time as it is taken: one that is more than the TTL ahead of the clock was wrong, and
    /// counts as the clock.
    fn taken(&self, settings: &FeatureSettings, newest: i64) -> i64 {
        match self.clock.now() {
            Some(now) if newest.saturating_sub(now) > settings.ttl_ms => now,
            _ => newest,
        }
    }

    /// Resets a user whose state has expired, then refuses a late event, which changes nothing.
    ///
    /// # Errors
    /// [`Late`], with the times compared.
    pub fn admit(&self, settings: &FeatureSettings, user: &mut UserState, ts: i64) -> Result<(), Late> {
        self.expire(settings, user, ts);
        match user.newest_ts().map(|own| self.taken(settings, own)) {
            Some(newest) if newest.saturating_sub(ts) > settings.max_lateness_ms => {
                Err(Late { ts, newest, allowed: settings.max_lateness_ms })
            }
            _ => Ok(()),
        }
    }

    /// Applies an admitted positive event of the user `id` to the user, the item's count and the partition.
    /// The user's newest `keep` visits are kept.
    pub fn update(
        &mut self,
        settings: &FeatureSettings,
        keep: usize,
        (id, user): (&Id, &mut UserState),
        item: &mut ItemCount,
        event: &Interaction<'_>,
    ) -> Features {
        let tail = event.is_tail.unwrap_or_else(|| self.popularity.is_tail(*item));
        let newest = self.newest(settings, user, event.ts);
        user.push(settings, keep, event, tail);
        user.set_newest_ts(newest);
        self.popularity.count(settings, item);
        self.clock.applied(id, newest, self.popularity.applied);
        user.features(settings)
    }

    /// Takes note of an admitted event whose action is not positive: it enters the user's newest `keep`
    /// visits and may be the newest, and changes nothing else.
    pub fn note(
        &mut self,
        settings: &FeatureSettings,
        keep: usize,
        (id, user): (&Id, &mut UserState),
        event: &Interaction<'_>,
    ) {
        let newest = self.newest(settings, user, event.ts);
        user.note(keep, event);
        user.set_newest_ts(newest);
        self.clock.noted(id, newest);
    }

    /// The user's newest time after an admitted event at `ts`.
    fn newest(&self, settings: &FeatureSettings, user: &UserState, ts: i64) -> i64 {
        user.newest_ts().map_or(ts, |own| self.taken(settings, own).max(ts))
    }
}

/// Whether a user whose newest event is at `newest` is answered as never seen when the partition's clock
/// stands at `now`.
pub fn is_expired(settings: &FeatureSettings, now: Option<i64>, newest: i64) -> bool {
    now.is_some_and(|now| now.saturating_sub(newest) > settings.ttl_ms)
}

/// Whether that user's next event, whatever its time, starts it afresh, so that its state is of no use.
pub fn is_removable(settings: &FeatureSettings, now: Option<i64>, newest: i64) -> bool {
    now.is_some_and(|now| now.saturating_sub(newest) > settings.ttl_ms.saturating_mul(2))
}
