//! What is true of the users, to hold against what was learnt.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Generator, GeneratorSettings};
use crate::FeedError;

/// Periods kept per user; with more drift than that the oldest go, and are counted.
pub const MAX_PERIODS: usize = 64;

/// A category that a user is interested in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interest {
    /// The category's id.
    pub category: u64,
    /// The share of the user's events (exploration aside) that fall into it; a user's sum to 1.
    pub weight: f64,
}

/// A time during which a user's interests stayed the same: until the next period begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Period {
    /// The index in the stream of the first event that it governs, counted from 0.
    pub from_event: u64,
    /// That event's time, epoch milliseconds.
    pub from_ts: i64,
    /// The interests, the strongest first.
    pub interests: Vec<Interest>,
}

/// One user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserTruth {
    /// The user's id.
    pub user_id: u64,
    /// How evenly the user spreads over the interests: entropy of the weights / ln k (Pielou), 0
    /// with one interest. Drift does not change it.
    pub diversity: f64,
    /// The interests over time, oldest first; the newest [`MAX_PERIODS`].
    pub periods: Vec<Period>,
    /// Older periods that are not kept.
    pub forgotten_periods: u64,
}

/// The generator's users as they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroundTruth {
    /// The settings behind it.
    pub settings: GeneratorSettings,
    /// Events that it covers.
    pub events: u64,
    /// The users, by id from 1.
    pub users: Vec<UserTruth>,
}

impl GroundTruth {
    pub(super) fn new(settings: &GeneratorSettings, users: impl Iterator<Item = Vec<Interest>>) -> Self {
        let user = |(user_id, interests): (u64, Vec<Interest>)| UserTruth {
            user_id,
            diversity: evenness(&interests),
            periods: vec![Period { from_event: 0, from_ts: settings.start_ms, interests }],
            forgotten_periods: 0,
        };
        Self { settings: settings.clone(), events: 0, users: (1..).zip(users).map(user).collect() }
    }

    pub(super) fn drifted(&mut self, user: usize, from_ts: i64, interests: Vec<Interest>) {
        let truth = &mut self.users[user];
        if truth.periods.len() == MAX_PERIODS {
            truth.periods.remove(0);
            truth.forgotten_periods += 1;
        }
        truth.periods.push(Period { from_event: self.events, from_ts, interests });
    }

    /// The truth after the first `events` events of the settings' stream.
    ///
    /// # Errors
    /// [`FeedError::Setting`] for a setting outside its range.
    pub fn after(settings: &GeneratorSettings, events: u64) -> Result<Self, FeedError> {
        let mut generator = Generator::new(settings.clone())?;
        while generator.ground_truth().events < events && generator.next_event().is_some() {}
        Ok(generator.truth)
    }

    /// A user's interests at a time, epoch milliseconds; none for an unknown user and for a time
    /// before the periods that are kept.
    pub fn interests_at(&self, user_id: u64, ts: i64) -> Option<&[Interest]> {
        let user = self.users.get(usize::try_from(user_id.checked_sub(1)?).ok()?)?;
        let next = user.periods.partition_point(|period| period.from_ts <= ts);
        user.periods.get(next.checked_sub(1)?).map(|period| period.interests.as_slice())
    }

    /// Writes the truth as JSON, whole or not at all.
    ///
    /// # Errors
    /// [`FeedError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), FeedError> {
        let json = serde_json::to_vec(self)
            .map_err(|error| FeedError::io(path, "writing it", std::io::Error::other(error)))?;
        crate::identity::replace(path, &json)
    }

    /// Reads what [`GroundTruth::write`] wrote.
    ///
    /// # Errors
    /// [`FeedError::Io`], and [`FeedError::Unreadable`] for another file.
    pub fn read(path: &Path) -> Result<Self, FeedError> {
        let json = fs::read(path).map_err(|error| FeedError::io(path, "reading it", error))?;
        serde_json::from_slice(&json)
            .map_err(|error| FeedError::Unreadable { path: path.to_owned(), message: error.to_string() })
    }
}

fn evenness(interests: &[Interest]) -> f64 {
    if interests.len() < 2 {
        return 0.0;
    }
    let entropy: f64 = interests.iter().map(|interest| -interest.weight * interest.weight.ln()).sum();
    entropy / (interests.len() as f64).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(category: u64) -> Vec<Interest> {
        vec![Interest { category, weight: 1.0 }]
    }

    #[test]
    fn a_period_holds_until_the_next() {
        let settings = GeneratorSettings { start_ms: 10, users: 1, ..GeneratorSettings::default() };
        let mut truth = GroundTruth::new(&settings, [one(1)].into_iter());
        truth.drifted(0, 20, one(2));
        let at = |ts| truth.interests_at(1, ts).map(|interests| interests[0].category);
        assert_eq!([at(9), at(10), at(19), at(20), at(99)], [None, Some(1), Some(1), Some(2), Some(2)]);
        assert_eq!(truth.interests_at(0, 10), None);
        assert_eq!(truth.interests_at(2, 10), None);
        for ts in 0..MAX_PERIODS as i64 {
            truth.drifted(0, 100 + ts, one(3));
        }
        assert_eq!((truth.users[0].periods.len(), truth.users[0].forgotten_periods), (MAX_PERIODS, 2));
        assert_eq!(truth.interests_at(1, 20), None);
    }

    #[test]
    fn evenness_is_pielous() {
        let half = Interest { category: 1, weight: 0.5 };
        assert_eq!(evenness(&one(1)), 0.0);
        assert!((evenness(&[half, half]) - 1.0).abs() < 1e-12);
    }
}
