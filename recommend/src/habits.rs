//! What is known of a user beside the events: features where nobody's state tells them, and habits.

use hmisr_features::{FeatureSettings, Features, Interaction, UserState};
use hmisr_model::hmisr::Habits;

use crate::catalogue::Catalogue;
use crate::foresight::{CHOICES, Inputs, Line};

/// Share of all choices that the head of the items holds; the rest is the long tail.
const HEAD_SHARE: f64 = 0.8;

/// Features of a user who did this to items of the catalogue, oldest first, by the maths of the stream: of a
/// session, or of a history that a request brings. `is_positive` tells which events are choices; items chosen fewer
/// than `head` times are long tail.
pub fn features(
    catalogue: &Catalogue,
    head: u64,
    settings: &FeatureSettings,
    events: impl Iterator<Item = (u32, i64, bool)>,
) -> Features {
    let mut user = UserState::default();
    for (row, ts, is_positive) in events {
        let item = &catalogue.items()[row as usize];
        if is_positive {
            let event = Interaction::new(&item.id, &item.categories[0], ts);
            user.push(settings, 0, &event, item.count < head);
        }
    }
    user.features(settings)
}

/// What is known of a user with these features beside the events that a network reads. `chosen` gives the rows of the
/// user's choices, newest first, which the DiversityScore is foretold from where `line` tells how.
pub fn habits<I: Iterator<Item = u32>>(
    catalogue: &Catalogue,
    line: Option<&Line>,
    features: &Features,
    chosen: impl FnOnce() -> I,
) -> Habits {
    let score = |line: &Line| {
        let chosen: Vec<u32> = chosen().take(CHOICES).collect();
        line.score(&Inputs::of(catalogue, &chosen, features))
    };
    let window = &features.window;
    Habits {
        entropy: (window.entropy / most_entropy(catalogue.categories())).clamp(0.0, 1.0) as f32,
        tail: window.tail_ratio as f32,
        switching: window.switch_rate as f32,
        recent: features.recent_diversity as f32,
        score: line.map(score),
    }
}

/// The greatest entropy of twenty choices over so many categories, nats.
pub(crate) fn most_entropy(categories: usize) -> f64 {
    (categories.clamp(2, CHOICES) as f64).ln()
}

/// The fewest choices of an item of the head: the items, most chosen first, that hold
/// `HEAD_SHARE` of all choices. `sorted` are their counts, descending.
pub fn head(sorted: &[u64]) -> u64 {
    let wanted = sorted.iter().sum::<u64>() as f64 * HEAD_SHARE;
    let mut held = 0;
    let last = sorted.iter().find(|count| {
        held += **count;
        held as f64 >= wanted
    });
    last.copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use hmisr_features::Id;

    use super::*;
    use crate::catalogue::Item;

    #[test]
    fn habits_are_shares_of_the_choices() {
        let counts = [80u64, 10, 5, 5];
        let items = counts.iter().enumerate().map(|(nth, count)| Item {
            id: Id::from(nth as u32),
            categories: vec![Id::from(nth as u32 / 2)],
            count: *count,
        });
        let catalogue = Catalogue::from_items(items.collect()).unwrap();
        assert_eq!((catalogue.category(1), catalogue.category(2), catalogue.categories()), (0, 1, 2));
        let head = head(&counts);
        assert_eq!(head, 80);
        let of = |settings: &FeatureSettings, events: &[(u32, bool)]| {
            let events = events.iter().map(|(row, is_positive)| (*row, 0, *is_positive));
            features(&catalogue, head, settings, events)
        };
        let settings = FeatureSettings::default();
        let found = of(&settings, &[(0, true), (1, true), (2, true), (1, false), (3, true)]);
        assert!((found.window.evenness - 1.0).abs() < 1e-9);
        assert_eq!((found.window.tail_ratio, found.recent_diversity), (0.75, 0.5));
        assert!((found.window.switch_rate - 1.0 / 3.0).abs() < 1e-9);
        let short = FeatureSettings { window: 2, ..settings };
        let found = of(&short, &[(0, true), (2, true), (3, true)]);
        assert_eq!((found.window.entropy, found.lifetime.events), (0.0, 3), "a setting changes what is read");
        assert_eq!(of(&short, &[]), Features::default());
    }
}
