//! What became of a run's input, and whether that was enough.

use std::fmt::Write as _;

use clap::Args;
use hmisr_stream::contract::Rejections;
use serde::Serialize;

use crate::failure::Failure;

/// How many reasons are told.
const REASONS: usize = 3;

/// What must come of the input.
#[derive(Debug, Clone, Copy, Args)]
pub struct Least {
    /// End with code 2 where less than this share of the input was of use; 0 takes whatever comes.
    #[arg(long, value_name = "SHARE", default_value = "0.5", value_parser = share)]
    pub min_applied: f64,
}

/// Reads such a share.
pub fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a share from 0 to 1, such as 0.5".to_owned())
}

/// What was rejected for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Rejected {
    reason: String,
    count: u64,
    /// The first of them: its place, what is wrong, how it begins.
    example: String,
}

/// What became of the input: with `#[serde(flatten)]` a part of every summary in JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// What the input consists of, such as `events`.
    #[serde(skip)]
    things: &'static str,
    /// What was done with them, such as `applied`.
    #[serde(skip)]
    done: &'static str,
    #[serde(skip)]
    used: u64,
    /// The share that was of use; none where nothing came.
    applied_share: Option<f64>,
    /// What was rejected, by reason, the most frequent first.
    rejected: Vec<Rejected>,
}

impl Outcome {
    /// `used` of the `things` were of use, `done`; the others were rejected.
    pub fn new(things: &'static str, done: &'static str, used: u64, rejections: &Rejections) -> Self {
        let rejected = rejections
            .by_frequency()
            .into_iter()
            .map(|one| Rejected {
                reason: one.reason.to_owned(),
                count: one.count,
                example: one.example.to_string(),
            })
            .collect();
        let mut outcome = Self { things, done, used, applied_share: None, rejected };
        outcome.applied_share = outcome.share();
        outcome
    }

    fn rejected(&self) -> u64 {
        self.rejected.iter().map(|one| one.count).sum()
    }

    fn share(&self) -> Option<f64> {
        let all = self.used + self.rejected();
        (all > 0).then(|| self.used as f64 / all as f64)
    }

    /// The most frequent reasons, a line each, with what it says of the first of them.
    fn reasons(&self) -> String {
        let mut text = String::new();
        for Rejected { reason, count, example } in self.rejected.iter().take(REASONS) {
            let _ = write!(text, "\n  {count} {reason}, as {example}");
        }
        match self.rejected.len().saturating_sub(REASONS) {
            0 => {}
            more => {
                let count: u64 = self.rejected.iter().skip(REASONS).map(|one| one.count).sum();
                let _ = write!(text, "\n  {count} for {more} further reasons");
            }
        }
        text
    }

    /// Whether less than the share asked for was of use. Where nothing came, there was nothing to use.
    fn is_short(&self, least: Least) -> bool {
        self.applied_share.is_some_and(|share| share < least.min_applied)
    }

    /// How many of how many.
    fn told(&self) -> String {
        let Self { things, done, used, .. } = self;
        let all = used + self.rejected();
        match (used, all) {
            (0, 1) => format!("the only one of the {things} was not {done}"),
            (0, _) => format!("none of {all} {things} was {done}"),
            _ => format!("only {used} of {all} {things} were {done}"),
        }
    }

    /// What was rejected, for people; nothing where all was of use, or where [`Outcome::judge`] tells it.
    fn warning(&self, least: Least) -> Option<String> {
        if self.is_short(least) || self.rejected.is_empty() {
            return None;
        }
        Some(format!("{} {} were not {}:{}", self.rejected(), self.things, self.done, self.reasons()))
    }

    /// Prints that.
    pub fn warn(&self, least: Least) {
        if let Some(text) = self.warning(least) {
            crate::terminal::tell(&text);
        }
    }

    /// What goes wrong while a run goes on that has no end.
    pub fn alarm(&self, least: Least) -> Option<String> {
        self.is_short(least).then(|| format!("{}:{}", self.told(), self.reasons()))
    }

    /// # Errors
    /// Where too little was of use: the reasons, and what to do. `more` says where to look further.
    pub fn judge(&self, least: Least, more: &str) -> Result<(), Failure> {
        if !self.is_short(least) {
            return Ok(());
        }
        let Least { min_applied } = least;
        Err(Failure::user(format!(
            "{}, less than --min-applied {min_applied} asks for:{}\nmend the input, or say with settings and options how it is written{more}",
            self.told(),
            self.reasons()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmisr_stream::contract::Example;

    fn outcome(used: u64, rejected: &[(&'static str, u64)]) -> Outcome {
        let mut rejections = Rejections::default();
        for (reason, count) in rejected {
            for n in 0..*count {
                rejections.add(reason, || Example::at(format!("a.jsonl:{n}"), b"{}", "field `ts`: no time"));
            }
        }
        Outcome::new("events", "applied", used, &rejections)
    }

    fn ends(outcome: &Outcome, min_applied: f64) -> Option<String> {
        let failure = outcome.judge(Least { min_applied }, "").err()?;
        assert_eq!(failure.exit_code(), 2);
        Some(failure.to_string())
    }

    #[test]
    fn less_than_the_share_is_refused_with_the_three_most_frequent_reasons() {
        let rejected = [("late", 1), ("invalid", 9), ("malformed", 5), ("future", 3), ("too_large", 2)];
        let text = ends(&outcome(1, &rejected), 0.5).unwrap();
        assert!(text.starts_with("only 1 of 21 events were applied, less than --min-applied 0.5"), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "  9 invalid, as a.jsonl:0: field `ts`: no time: {}");
        assert!(lines[2].starts_with("  5 malformed") && lines[3].starts_with("  3 future"), "{text}");
        assert_eq!(lines[4], "  3 for 2 further reasons");
        assert!(ends(&outcome(0, &[("late", 4)]), 0.5).unwrap().starts_with("none of 4 events was applied"));
    }

    #[test]
    fn the_share_itself_is_enough_and_so_is_an_input_without_anything() {
        assert_eq!(ends(&outcome(5, &[("late", 5)]), 0.5), None);
        assert!(ends(&outcome(5, &[("late", 6)]), 0.5).is_some());
        assert!(ends(&outcome(99, &[("late", 1)]), 1.0).is_some());
        assert_eq!(ends(&outcome(0, &[("late", 6)]), 0.0), None);
        assert_eq!(ends(&outcome(0, &[]), 1.0), None);
    }

    #[test]
    fn what_was_rejected_is_told_where_the_rest_was_enough() {
        let least = Least { min_applied: 0.5 };
        let text = outcome(5, &[("late", 5)]).warning(least).unwrap();
        assert!(text.starts_with("5 events were not applied:\n  5 late"), "{text}");
        assert_eq!(outcome(5, &[]).warning(least), None);
        assert_eq!(outcome(5, &[("late", 6)]).warning(least), None, "the error tells it");
    }

    #[test]
    fn a_share_is_from_0_to_1() {
        assert_eq!(share("0.25"), Ok(0.25));
        for text in ["", "50%", "-0.1", "1.1", "NaN", "inf"] {
            assert!(share(text).unwrap_err().contains("0.5"), "{text}");
        }
    }
}
