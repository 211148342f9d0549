//! The state that the users of one partition share, and the order in which an event is applied.

use crate::{FeatureSettings, Features, Interaction, ItemCount, Popularity, UserState, Visit};

/// The partition's watermark and item popularity.
///
/// An event that passed validation is applied by [`PartitionState::admit`] (expiry, lateness),
/// then [`PartitionState::update`] (tail mark, update of the user, count of the item, halving,
/// new threshold). Between the two stands the user's state *before* the event, from which a
/// training example is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionState {
    /// The greatest event time applied so far, epoch milliseconds.
    pub watermark: Option<i64>,
    /// The partition's item popularity.
    pub popularity: Popularity,
}

/// The event is older than its user's newest by more than the allowed lateness.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ts {ts} is {} ms older than the user's newest event at {newest}; max_lateness_ms is {allowed}", newest - ts)]
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

    fn expire(&self, settings: &FeatureSettings, user: &mut UserState, ts: i64) {
        let now = self.watermark.map_or(ts, |watermark| watermark.max(ts));
        if user.is_expired(settings, now) {
            *user = UserState::default();
        }
    }

    /// Resets a user whose state has expired, then refuses a late event, which changes nothing.
    ///
    /// # Errors
    /// [`Late`], with the times compared.
    pub fn admit(&self, settings: &FeatureSettings, user: &mut UserState, ts: i64) -> Result<(), Late> {
        self.expire(settings, user, ts);
        match user.newest_ts() {
            Some(newest) if newest.saturating_sub(ts) > settings.max_lateness_ms => {
                Err(Late { ts, newest, allowed: settings.max_lateness_ms })
            }
            _ => Ok(()),
        }
    }

    /// Applies an admitted event to the user, the item's count and the partition. At least the
    /// user's last `keep` events are kept where there are as many (0: what the features need).
    pub fn update(
        &mut self,
        settings: &FeatureSettings,
        keep: usize,
        user: &mut UserState,
        item: &mut ItemCount,
        event: Interaction,
    ) -> Features {
        let Interaction { item: id, category, ts, is_tail } = event;
        let tail = is_tail.unwrap_or_else(|| self.popularity.is_tail(*item));
        user.push(settings, keep, &Visit { item: id, category, ts, tail });
        self.popularity.count(settings, item);
        self.watermark = Some(self.watermark.map_or(ts, |watermark| watermark.max(ts)));
        user.features(settings)
    }
}
