//! What is fed: the same options for all that feed events.

use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;
use crate::reading::ReadingArgs;

/// Events per second of the generator where nothing is said.
const GENERATOR_RATE: f64 = 500.0;

/// Where events come from, and how fast.
#[derive(Debug, Args)]
pub struct FedFrom {
    /// File or folder of events; without it the generator.
    #[arg(long, value_name = "PATH")]
    pub events: Option<PathBuf>,
    /// How the events are written.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Events per second; 0: as fast as they are taken. The generator's default is 500.
    #[arg(long)]
    pub rate: Option<f64>,
    /// Generate this many events, then no more; with 0 `hmisr up --brokers` feeds nothing, and reads what
    /// others write.
    #[arg(long, conflicts_with = "events", value_name = "N")]
    pub generate: Option<u64>,
}

impl FedFrom {
    /// Puts them over the settings. `waits`: whether somebody waits for the generator's end, which then
    /// goes as fast as it can. `read_else`: whether other files are read that the layout may be of.
    pub fn apply(
        &self,
        feed: &mut hmisr_feed::Settings,
        waits: bool,
        read_else: bool,
    ) -> Result<(), Failure> {
        if self.events.is_some() {
            feed.events.clone_from(&self.events);
        }
        if feed.events.is_none() && !self.reading.is_empty() && !read_else {
            let text = "--events: options about the layout are given, but no file or folder that has it";
            return Err(Failure::user(text));
        }
        feed.format = self.reading.format.unwrap_or(feed.format);
        feed.reading = self.reading.over(&feed.reading);
        if self.generate.is_some() {
            feed.generator.events = self.generate;
        }
        let endless = feed.events.is_none() && !waits;
        match self.rate {
            Some(rate) => feed.rate_per_second = rate,
            None if endless && feed.rate_per_second == 0.0 => feed.rate_per_second = GENERATOR_RATE,
            None => {}
        }
        Ok(())
    }
}
