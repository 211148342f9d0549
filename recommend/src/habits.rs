//! Users' habits where nobody's state tells them, and what the DiversityScore learns to foretell.

use std::collections::BTreeMap;

use hmisr_features::{FeatureSettings, Features, Interaction, UserState};

use crate::catalogue::Catalogue;

/// Share of all choices that the head of the items holds; the rest is the long tail.
const HEAD_SHARE: f64 = 0.8;
/// Events that a label is made of, and the fewest of which one is.
const FUTURE: std::ops::RangeInclusive<usize> = 5..=20;

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

/// The label of the DiversityScore: the entropy of the categories of the events that follow, over ln min(C, 20)
/// of C categories, at most 1; none of too few.
pub fn future(catalogue: &Catalogue, rows: &[u32]) -> Option<f32> {
    let rows = &rows[..rows.len().min(*FUTURE.end())];
    if !FUTURE.contains(&rows.len()) {
        return None;
    }
    let mut counts: BTreeMap<u32, f64> = BTreeMap::new();
    for row in rows {
        *counts.entry(catalogue.category(*row)).or_default() += 1.0;
    }
    let total = rows.len() as f64;
    let entropy: f64 = counts.values().map(|count| -(count / total) * (count / total).ln()).sum();
    Some((entropy / most_entropy(catalogue.categories())).clamp(0.0, 1.0) as f32)
}

/// The greatest entropy of twenty events over so many categories, nats.
pub(crate) fn most_entropy(categories: usize) -> f64 {
    (categories.min(*FUTURE.end()).max(2) as f64).ln()
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
        assert_eq!(future(&catalogue, &[0, 1, 0, 1]), None);
        assert_eq!(future(&catalogue, &[0; 30]), Some(0.0));
    }
}
