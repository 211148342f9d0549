//! The training part as one sequence, and where each item stands in it.

use crate::data::Event;
use crate::split::Split;

/// The events of all users, one user after the other.
#[derive(Debug)]
pub(super) struct Log {
    /// Each event's item.
    pub(super) items: Vec<u32>,
    /// Each event's age: how many events of anyone came strictly later. Events of one time are equally old, so that
    /// the order of users in the files decides nothing.
    ages: Vec<u32>,
    /// One past the last event of each event's user.
    pub(super) ends: Vec<usize>,
    /// The events of each item, in their order; those of item i from `starts[i]` to `starts[i + 1]`.
    places: Vec<usize>,
    starts: Vec<usize>,
}

impl Log {
    /// Of the training part.
    pub(super) fn new(split: &Split) -> Self {
        let mut times: Vec<i64> = split.training().flat_map(|(_, events)| events.iter().map(time)).collect();
        let (mut items, mut ages, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        times.sort_unstable();
        for (_, events) in split.training() {
            let end = items.len() + events.len();
            for event in events {
                items.push(event.item);
                ages.push((times.len() - times.partition_point(|&ts| ts <= event.ts_ms)) as u32);
                ends.push(end);
            }
        }
        let mut starts = vec![0_usize; split.data.items.len() + 1];
        items.iter().for_each(|&item| starts[item as usize + 1] += 1);
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let (mut next, mut places) = (starts.clone(), vec![0_usize; items.len()]);
        for (at, &item) in items.iter().enumerate() {
            places[next[item as usize]] = at;
            next[item as usize] += 1;
        }
        Self { items, ages, ends, places, starts }
    }

    /// Events.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Where the item stands.
    pub(super) fn places(&self, item: usize) -> &[usize] {
        &self.places[self.starts[item]..self.starts[item + 1]]
    }

    /// What each event weighs by its age, 1 for the newest: half as much after `half_life` events.
    pub(super) fn faded(&self, half_life: f64) -> Vec<f32> {
        self.ages.iter().map(|&age| (-f64::from(age) / half_life).exp2() as f32).collect()
    }

    /// The sum of the events' weights by item, `[items]`.
    pub(super) fn by_item(&self, weights: &[f32]) -> Vec<f32> {
        let mut sums = vec![0.0_f64; self.starts.len() - 1];
        self.items.iter().zip(weights).for_each(|(&item, &weight)| sums[item as usize] += f64::from(weight));
        sums.into_iter().map(|sum| sum as f32).collect()
    }
}

fn time(event: &Event) -> i64 {
    event.ts_ms
}
