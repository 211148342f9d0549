//! Users' habits as the model's DiversityScore reads them, from the events that the model reads.

use std::collections::BTreeMap;

use hmisr_model::hmisr::Habits;

use crate::catalogue::Catalogue;

/// Share of all choices that the head of the items holds; the rest is the long tail.
const HEAD_SHARE: f64 = 0.8;
/// Events of the recent diversity.
const RECENT: usize = 10;
/// Events that a label is made of, and the fewest of which one is.
const FUTURE: std::ops::RangeInclusive<usize> = 5..=20;

/// Habits over a catalogue.
#[derive(Debug)]
pub struct HabitsOf<'a> {
    catalogue: &'a Catalogue,
    /// Items chosen fewer times are long tail.
    head: u64,
}

impl<'a> HabitsOf<'a> {
    /// Over `catalogue`; `head` is [`head`]'s.
    pub fn new(catalogue: &'a Catalogue, head: u64) -> Self {
        Self { catalogue, head }
    }

    /// Habits after the events of these rows, oldest first.
    pub fn after(&self, rows: &[u32]) -> Habits {
        if rows.is_empty() {
            return Habits::default();
        }
        let category = |row: &u32| self.catalogue.category(*row);
        let tails =
            rows.iter().filter(|row| self.catalogue.items()[**row as usize].count < self.head).count();
        let switches = rows.windows(2).filter(|pair| category(&pair[0]) != category(&pair[1])).count();
        let recent = &rows[rows.len().saturating_sub(RECENT)..];
        let distinct: std::collections::BTreeSet<u32> = recent.iter().map(category).collect();
        Habits {
            entropy: self.entropy(rows),
            tail: tails as f32 / rows.len() as f32,
            switching: switches as f32 / (rows.len() - 1).max(1) as f32,
            recent: distinct.len() as f32 / recent.len() as f32,
        }
    }

    /// The label of the DiversityScore, of the events that follow: their entropy; none of too few.
    pub fn future(&self, rows: &[u32]) -> Option<f32> {
        let rows = &rows[..rows.len().min(*FUTURE.end())];
        FUTURE.contains(&rows.len()).then(|| self.entropy(rows))
    }

    /// Entropy of the categories over ln min(C, 20) of C categories, at most 1.
    fn entropy(&self, rows: &[u32]) -> f32 {
        let mut counts: BTreeMap<u32, f64> = BTreeMap::new();
        for row in rows {
            *counts.entry(self.catalogue.category(*row)).or_default() += 1.0;
        }
        let total = rows.len() as f64;
        let entropy: f64 = counts.values().map(|count| -(count / total) * (count / total).ln()).sum();
        let most = self.catalogue.categories().min(*FUTURE.end()).max(2) as f64;
        (entropy / most.ln()).clamp(0.0, 1.0) as f32
    }
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
    fn habits_are_shares_of_the_events() {
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
        let habits = HabitsOf::new(&catalogue, head);
        let found = habits.after(&[0, 1, 2, 3]);
        assert!((found.entropy - 1.0).abs() < 1e-6);
        assert_eq!((found.tail, found.recent), (0.75, 0.5));
        assert!((found.switching - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(habits.after(&[]), Habits::default());
        assert_eq!(habits.future(&[0, 1, 0, 1]), None);
        assert_eq!(habits.future(&[0; 30]), Some(0.0));
    }
}
