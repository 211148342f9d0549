//! Which events an interest holds, and how they fade.

use crate::histories::Histories;
use crate::windows::Windows;

/// After how many of its own events an interest's averages have halved: of what is stable, and of what moves.
pub const HALF_LIVES: [f32; 2] = [30.0, 3.0];

const DAY_MS: f32 = 86_400_000.0;

/// Averages of each interest's events at some positions of histories `[count, len]`. Every event belongs to one
/// interest, and an interest fades by its *own* events, so that one that sleeps is still there: of the newest `span`
/// events up to a position, the one with a members of the same interest after it weighs 2^(−a/h).
#[derive(Debug, Clone, PartialEq)]
pub struct Members {
    pub(crate) windows: Windows,
    /// Interests, K.
    pub(crate) interests: usize,
    /// The interest of each event, `[count, len]` flat.
    pub(crate) owners: Vec<usize>,
}

/// What is known of the interests at a position beside their averages.
#[derive(Debug, Default, PartialEq)]
pub struct Standing {
    /// Share of each interest among the events, `[asked, K]`.
    pub mass: Vec<f32>,
    /// Days since each interest's newest member, `[asked, K]`; a year where it has none.
    pub idle_days: Vec<f32>,
}

impl Members {
    /// Of events that belong to `owners`, each below `interests`, as they are seen in `windows`.
    pub fn new(windows: Windows, interests: usize, owners: Vec<usize>) -> Self {
        Self { windows, interests, owners }
    }

    /// Columns of the averages: of every interest, one a half-life.
    pub(crate) fn columns(&self, d: usize) -> usize {
        self.interests * HALF_LIVES.len() * d
    }

    /// Each interest's share and rest at every asked position.
    pub fn standing(&self, histories: &Histories) -> Standing {
        let k = self.interests;
        let cells = self.windows.asked.len() * k;
        let mut standing = Standing { mass: vec![0.0; cells], idle_days: vec![365.0; cells] };
        let times = histories.times();
        let rows = standing.mass.chunks_exact_mut(k).zip(standing.idle_days.chunks_exact_mut(k));
        for ((mass, idle_days), at) in rows.zip(&self.windows.asked) {
            let seen = self.windows.seen(*at);
            let share = 1.0 / seen.clone().count() as f32;
            for event in seen {
                mass[self.owners[event]] += share;
                let idle = times[*at].saturating_sub(times[event]).max(0);
                idle_days[self.owners[event]] = idle as f32 / DAY_MS;
            }
        }
        standing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interest_stands_by_its_events_in_the_span() {
        const DAY: i64 = 86_400_000;
        let rows = [0u32; 4];
        let times = [[0, DAY, 2 * DAY, 5 * DAY], [0, 0, DAY, DAY]];
        let histories = Histories::new(times.iter().map(|times| (&rows[..], &times[..])));
        let windows = Windows::new(&histories, 3, &[0, 2, 3, 7]);
        let members = Members::new(windows, 3, vec![0, 1, 1, 0, 2, 2, 2, 2]);
        let standing = members.standing(&histories);
        let third = 1.0 / 3.0;
        assert_eq!(standing.idle_days, [0., 365., 365., 2., 0., 365., 0., 3., 365., 365., 365., 0.]);
        // The first event is out of the span at the fourth.
        let expected = [1., 0., 0., third, 2. * third, 0., third, 2. * third, 0., 0., 0., 1.];
        assert!(standing.mass.iter().zip(expected).all(|(found, mass)| (found - mass).abs() < 1e-6));
    }
}
