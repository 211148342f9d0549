//! How the made-up users behave.

use hmisr_stream::contract::MAX_TS;
use serde::{Deserialize, Serialize};

use super::GENERATOR_VERSION;
use crate::FeedError;

/// The generator's settings; see the module's text for how they work together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GeneratorSettings {
    /// What all draws come from.
    pub seed: u64,
    /// Events until the stream ends; none lets it run on.
    pub events: Option<u64>,
    /// Users.
    pub users: u32,
    /// Items, spread evenly over the categories.
    pub items: u32,
    /// Categories.
    pub categories: u32,
    /// The fewest interests of a user.
    pub min_interests: u32,
    /// The most interests of a user.
    pub max_interests: u32,
    /// A user's interests have weights 1, s, s², … (made to sum to 1) with s drawn evenly from this
    /// to 1: a small s is a user of one main interest, 1 one of even interests.
    pub min_spread: f64,
    /// Zipf's exponent of the items' popularity within their category.
    pub zipf_exponent: f64,
    /// Probability that an event falls into any category, whatever the user's interests.
    pub exploration: f64,
    /// Probability that an event draws the interest anew (perhaps the same one).
    pub switch: f64,
    /// Probability that an item is a neighbour of the user's last one in that interest.
    pub follow: f64,
    /// Neighbours of an item.
    pub neighbours: u32,
    /// Probability, at the start of a session, that one of the user's interests is replaced.
    pub drift: f64,
    /// Sessions that are open at a time; at most half of the users.
    pub open_sessions: u32,
    /// Mean length of a session, in events.
    pub session_events: f64,
    /// The first event's time, epoch milliseconds.
    pub start_ms: i64,
    /// Mean time from one event to the next, over all users, milliseconds.
    pub mean_gap_ms: f64,
    /// Every event's `action`.
    pub action: String,
}

impl Default for GeneratorSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            events: None,
            users: 1_000,
            items: 2_000,
            categories: 20,
            min_interests: 1,
            max_interests: 5,
            min_spread: 0.3,
            zipf_exponent: 1.0,
            exploration: 0.05,
            switch: 0.2,
            follow: 0.6,
            neighbours: 3,
            drift: 0.01,
            open_sessions: 50,
            session_events: 10.0,
            // 2020-01-01: far enough back that a long run does not overtake the clock.
            start_ms: 1_577_836_800_000,
            mean_gap_ms: 50.0,
            action: "click".to_owned(),
        }
    }
}

impl GeneratorSettings {
    /// Checks every setting's range.
    ///
    /// # Errors
    /// [`FeedError::Setting`] names the first setting outside its range, its value and the range.
    pub fn validate(&self) -> Result<(), FeedError> {
        const MANY: &str = "expected 1 to 10000000";
        const PROBABILITY: &str = "expected a probability from 0 to 1";
        let check = |ok: bool, field, value: &dyn ToString, expected| {
            if ok { Ok(()) } else { Err(FeedError::Setting { field, value: value.to_string(), expected }) }
        };
        let many = 1..=10_000_000;
        check(many.contains(&self.users), "generator.users", &self.users, MANY)?;
        check(many.contains(&self.items), "generator.items", &self.items, MANY)?;
        check(many.contains(&self.categories), "generator.categories", &self.categories, MANY)?;
        check(self.neighbours >= 1, "generator.neighbours", &self.neighbours, "expected at least 1")?;
        check(
            self.items / self.categories > self.neighbours,
            "generator.items",
            &self.items,
            "expected more items in each category than an item has neighbours \
             (items / categories > neighbours)",
        )?;
        check(
            (1..=self.max_interests).contains(&self.min_interests),
            "generator.min_interests",
            &self.min_interests,
            "expected 1 to generator.max_interests",
        )?;
        check(
            self.max_interests <= self.categories.min(100),
            "generator.max_interests",
            &self.max_interests,
            "expected at most generator.categories, and at most 100",
        )?;
        check(
            self.min_spread > 0.0 && self.min_spread <= 1.0,
            "generator.min_spread",
            &self.min_spread,
            "expected a ratio above 0 and at most 1",
        )?;
        check(
            (0.0..=10.0).contains(&self.zipf_exponent),
            "generator.zipf_exponent",
            &self.zipf_exponent,
            "expected 0 to 10",
        )?;
        for (field, value) in [
            ("generator.exploration", self.exploration),
            ("generator.switch", self.switch),
            ("generator.follow", self.follow),
            ("generator.drift", self.drift),
        ] {
            check((0.0..=1.0).contains(&value), field, &value, PROBABILITY)?;
        }
        check(
            self.open_sessions >= 1,
            "generator.open_sessions",
            &self.open_sessions,
            "expected at least 1",
        )?;
        check(
            self.session_events >= 1.0 && self.session_events.is_finite(),
            "generator.session_events",
            &self.session_events,
            "expected at least 1 event",
        )?;
        check(
            (0..MAX_TS).contains(&self.start_ms),
            "generator.start_ms",
            &self.start_ms,
            "expected epoch milliseconds from 0 to before 2200",
        )?;
        check(
            (1.0..=1e9).contains(&self.mean_gap_ms),
            "generator.mean_gap_ms",
            &self.mean_gap_ms,
            "expected 1 to 1e9 milliseconds",
        )?;
        check(
            (1..=256).contains(&self.action.len()),
            "generator.action",
            &self.action,
            "expected 1 to 256 bytes",
        )
    }

    /// A text that is equal for settings with the same events. The end is left out: a longer
    /// stream goes on where a shorter one stopped.
    pub fn fingerprint(&self) -> String {
        let endless = Self { events: None, ..self.clone() };
        // The settings are numbers and a text, which serde_json always writes.
        let settings = serde_json::to_string(&endless).unwrap_or_default();
        format!("generator version {GENERATOR_VERSION} {settings}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_outside_its_range_is_named() {
        let default = GeneratorSettings::default();
        assert!(default.validate().is_ok());
        let refused = |settings: GeneratorSettings| settings.validate().unwrap_err().to_string();
        let text = refused(GeneratorSettings { switch: 1.5, ..default.clone() });
        assert_eq!(text, "feed.generator.switch = 1.5: expected a probability from 0 to 1");
        assert!(refused(GeneratorSettings { follow: f64::NAN, ..default.clone() }).contains("follow = NaN"));
        assert!(refused(GeneratorSettings { items: 79, ..default.clone() }).contains("neighbours"));
        assert!(refused(GeneratorSettings { max_interests: 21, ..default.clone() }).contains("categories"));
        assert!(refused(GeneratorSettings { users: 0, ..default }).contains("users = 0"));
    }

    #[test]
    fn the_fingerprint_leaves_out_the_end_alone() {
        let default = GeneratorSettings::default();
        let short = GeneratorSettings { events: Some(7), ..default.clone() };
        let other = GeneratorSettings { seed: 2, ..default.clone() };
        assert_eq!(default.fingerprint(), short.fingerprint());
        assert_ne!(default.fingerprint(), other.fingerprint());
    }
}
