//! What a part waits for, for its `/readyz`, and for the log once it lasts.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::{info, warn};

/// How long a wait may last until the log tells of it: every start has a short one.
const UNTOLD: Duration = Duration::from_secs(10);
/// Between two times that the log tells of it.
const AGAIN: Duration = Duration::from_secs(60);

/// What is waited for now; shared by who waits and who is asked.
#[derive(Debug, Default)]
pub struct Waits(Mutex<Wait>);

#[derive(Debug, Default)]
struct Wait {
    texts: Vec<String>,
    since: Option<Instant>,
    told: Option<Instant>,
}

/// What the log is to say.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    Nothing,
    Waits,
    Over,
}

impl Waits {
    /// What is waited for, in words; empty where nothing is.
    pub fn texts(&self) -> Vec<String> {
        self.lock().texts.clone()
    }

    /// An error that says what is waited for, where something is.
    ///
    /// # Errors
    /// All of the texts.
    pub fn check(&self) -> Result<(), String> {
        match self.texts() {
            texts if texts.is_empty() => Ok(()),
            texts => Err(texts.join("; ")),
        }
    }

    /// Says what is waited for now: `texts`, or nothing where they are none.
    pub fn set(&self, texts: Vec<String>) {
        let mut wait = self.lock();
        let now = Instant::now();
        let lasting = wait.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let word = wait.set(texts, now);
        match word {
            Word::Waits => warn!("not ready for {} s: {}", lasting.as_secs(), wait.texts.join("; ")),
            Word::Over => info!("nothing is waited for any more, after {} s", lasting.as_secs()),
            Word::Nothing => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Wait> {
        // Plain data: a panic elsewhere leaves nothing half done in it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wait {
    fn set(&mut self, texts: Vec<String>, now: Instant) -> Word {
        self.texts = texts;
        if self.texts.is_empty() {
            self.since = None;
            return if self.told.take().is_some() { Word::Over } else { Word::Nothing };
        }
        let since = *self.since.get_or_insert(now);
        let is_due = match self.told {
            Some(told) => now.saturating_duration_since(told) >= AGAIN,
            None => now.saturating_duration_since(since) >= UNTOLD,
        };
        if !is_due {
            return Word::Nothing;
        }
        self.told = Some(now);
        Word::Waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_when_it_lasts_then_now_and_then_and_when_it_is_over() {
        let start = Instant::now();
        let mut wait = Wait::default();
        let mut at = |seconds: u64, text: &str| {
            let texts = if text.is_empty() { Vec::new() } else { vec![text.to_owned()] };
            wait.set(texts, start + Duration::from_secs(seconds))
        };
        assert_eq!(at(0, "a"), Word::Nothing);
        assert_eq!(at(9, "b"), Word::Nothing);
        assert_eq!(at(10, "b"), Word::Waits);
        assert_eq!(at(69, "b"), Word::Nothing);
        assert_eq!(at(70, "c"), Word::Waits);
        assert_eq!(at(71, ""), Word::Over);
        assert_eq!(at(72, ""), Word::Nothing);
        // A short one leaves no line.
        assert_eq!(at(73, "d"), Word::Nothing);
        assert_eq!(at(80, ""), Word::Nothing);
        assert_eq!(at(85, "e"), Word::Nothing);
    }

    #[test]
    fn the_check_says_all_that_is_waited_for() {
        let waits = Waits::default();
        assert_eq!(waits.check(), Ok(()));
        waits.set(vec!["a".into(), "b".into()]);
        assert_eq!(waits.check(), Err("a; b".into()));
        waits.set(Vec::new());
        assert_eq!(waits.check(), Ok(()));
    }
}
