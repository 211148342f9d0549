//! What comes after an item, near or far.

use rayon::prelude::*;

use super::log::Log;
use super::rows::{Row, Sums, add, most};
use crate::data::Event;

/// Events before an item's that say something of it.
pub(super) const WINDOWS: [usize; 3] = [5, 20, 100];
/// A window fades as .8 an event does over 20, so that each ends at a hundredth of its beginning.
const FADES: (f32, f32) = (0.8, 20.0);
/// The root of an item's count and this divides what it says: else what is everywhere would decide.
const SMOOTHING: f32 = 5.0;

/// p(y) ∝ Σ_g f^(g−1)·C(i_g → y) / √(n(i_g) + 5) over the last W visits i_1, i_2, …, the newest first.
///
/// C(i → y) is the sum of f^(gap−1) over the training part's pairs of i and a y that came at most W events later, n(i)
/// counts i, and f = .8^(20/W). Both weigh an event by its age.
#[derive(Debug, Clone)]
pub(super) struct Transitions {
    /// f^0, f^1, …, as many as the window has events.
    fades: Vec<f32>,
    rows: Vec<Row>,
    /// 1 / √(n + 5) by item.
    scales: Vec<f32>,
}

impl Transitions {
    /// Counts the pairs of all windows in one walk; `weights` are the events'.
    pub(super) fn count(log: &Log, weights: &[f32]) -> [Self; 3] {
        let counts = log.by_item(weights);
        let (items, most) = (counts.len(), most(counts.len()));
        let fades = WINDOWS.map(fades);
        // What stays of a row that is cut: C / √n.
        let rank = |item: u32, value: f32| value / counts[item as usize].sqrt();
        let sums = || WINDOWS.map(|_| Sums::new(items));
        let rows: Vec<[Row; 3]> = (0..items)
            .into_par_iter()
            .map_init(sums, |sums, item| {
                for &at in log.places(item) {
                    for (gap, next) in (at + 1..log.ends[at]).take(WINDOWS[2]).enumerate() {
                        for (sums, fades) in sums.iter_mut().zip(&fades) {
                            if let Some(fade) = fades.get(gap) {
                                sums.add(log.items[next], fade * weights[next]);
                            }
                        }
                    }
                }
                sums.each_mut().map(|sums| sums.take(most, rank))
            })
            .collect();
        let scales: Vec<f32> = counts.iter().map(|count| 1.0 / (count + SMOOTHING).sqrt()).collect();
        let mut of_window = WINDOWS.map(|_| Vec::with_capacity(items));
        for rows in rows {
            of_window.iter_mut().zip(rows).for_each(|(all, row)| all.push(row));
        }
        let [near, middle, far] = of_window;
        let [fast, slower, slow] = fades;
        [(fast, near), (slower, middle), (slow, far)].map(|(fades, rows)| Self {
            fades,
            rows,
            scales: scales.clone(),
        })
    }

    /// Adds what the history says of each item.
    pub(super) fn add(&self, history: &[Event], all: &mut [f32]) {
        for (event, fade) in history.iter().rev().zip(&self.fades) {
            let item = event.item as usize;
            add(&self.rows[item], fade * self.scales[item], all);
        }
    }
}

fn fades(window: usize) -> Vec<f32> {
    let fade = FADES.0.powf(FADES.1 / window as f32);
    (0..window).map(|gap| fade.powi(gap as i32)).collect()
}
