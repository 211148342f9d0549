//! Which cases a model is asked about.

use clap::Args;
use hmisr_offline::study::AskOptions;

/// Which cases a model is asked about.
#[derive(Debug, Args)]
pub struct CaseOptions {
    /// Of all events after the threshold (o2) ask for this many, evenly spaced; 0: for none.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub successive_cases: usize,
    /// Ask again even where answers are stored, such as after a change of the program.
    #[arg(long)]
    pub ask_again: bool,
}

impl CaseOptions {
    /// The same, as a study takes it.
    pub fn options(&self) -> AskOptions {
        AskOptions { successive_cases: self.successive_cases, ask_again: self.ask_again }
    }
}
