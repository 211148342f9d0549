//! A limit on events per second.

use std::time::{Duration, Instant};

/// A pause that lasted longer than this is not caught up with.
const MAX_DEBT: Duration = Duration::from_secs(1);

/// Spaces events evenly; after a short delay it lets as many through as were due.
pub(crate) struct Pace {
    interval: Option<Duration>,
    due: Option<Instant>,
}

impl Pace {
    /// `per_second` events; 0 sets no limit.
    pub(crate) fn new(per_second: f64) -> Self {
        let interval = (per_second > 0.0).then(|| {
            // An hour at most: a rate this low is as good as none.
            Duration::from_secs_f64((1.0 / per_second).min(3_600.0))
        });
        Self { interval, due: None }
    }

    /// Takes the right to one event; otherwise how long until there is one.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let Some(interval) = self.interval else { return Ok(()) };
        let due = self.due.unwrap_or(now);
        if due > now {
            return Err(due - now);
        }
        let from = if now - due > MAX_DEBT { now } else { due };
        self.due = Some(from + interval);
        Ok(())
    }

    /// Whether time is looked at, at all.
    pub(crate) fn is_limited(&self) -> bool {
        self.interval.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_spaced_and_long_pauses_forgotten() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut pace = Pace::new(10.0);
        assert_eq!(pace.take(at(0)), Ok(()));
        assert_eq!(pace.take(at(40)), Err(Duration::from_millis(60)));
        let taken = |pace: &mut Pace, ms| (0..100).take_while(|_| pace.take(at(ms)).is_ok()).count();
        assert_eq!(taken(&mut pace, 500), 5);
        assert_eq!(taken(&mut pace, 100_500), 1);
        let mut free = Pace::new(0.0);
        assert!(!free.is_limited() && taken(&mut free, 0) == 100);
    }
}
