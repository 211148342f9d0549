//! The feed's settings.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{EventSource, FeedError, Format, Generator, GeneratorSettings, Options, open};

/// What is fed, and how fast.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The file or folder of events; none feeds the generator's.
    pub events: Option<PathBuf>,
    /// How that file is written.
    pub format: Format,
    /// What its files do not say themselves.
    pub reading: Options,
    /// Events per second, on average; 0: as fast as the readers go.
    pub rate_per_second: f64,
    /// How the feeder writes.
    pub batch: BatchSettings,
    /// The generator, used where no file is named.
    pub generator: GeneratorSettings,
}

/// When the feeder flushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchSettings {
    /// At the latest after this many events.
    pub events: u64,
    /// At the latest after this many bytes of keys and payloads.
    pub bytes: u64,
    /// At the latest after this time, in milliseconds.
    pub ms: u64,
}

impl Default for BatchSettings {
    fn default() -> Self {
        Self { events: 1_000, bytes: 4 * 1024 * 1024, ms: 50 }
    }
}

impl Settings {
    /// Checks every setting's range.
    ///
    /// # Errors
    /// [`FeedError::Setting`] names the first setting outside its range, its value and the range.
    pub fn validate(&self) -> Result<(), FeedError> {
        let check = |ok: bool, field, value: &dyn ToString, expected| {
            if ok { Ok(()) } else { Err(FeedError::Setting { field, value: value.to_string(), expected }) }
        };
        check(
            self.rate_per_second >= 0.0 && self.rate_per_second.is_finite(),
            "rate_per_second",
            &self.rate_per_second,
            "expected 0 (no limit) or more events per second",
        )?;
        let BatchSettings { events, bytes, ms } = self.batch;
        check((1..=1_000_000).contains(&events), "batch.events", &events, "expected 1 to 1000000 events")?;
        check((1..=1 << 30).contains(&bytes), "batch.bytes", &bytes, "expected 1 to 1073741824 bytes")?;
        check((1..=60_000).contains(&ms), "batch.ms", &ms, "expected 1 to 60000 milliseconds")?;
        self.reading.validate()?;
        self.generator.validate()
    }

    /// Opens what is to be fed, at its start.
    ///
    /// # Errors
    /// As [`open`] and [`Generator::new`].
    pub fn open_source(&self) -> Result<Box<dyn EventSource>, FeedError> {
        match &self.events {
            Some(path) => open(path, self.format, &self.reading),
            None => Ok(Box::new(Generator::new(self.generator.clone())?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_outside_its_range_is_named() {
        let refused = |settings: Settings| settings.validate().unwrap_err().to_string();
        assert!(Settings::default().validate().is_ok());
        let rate = Settings { rate_per_second: -1.0, ..Settings::default() };
        assert_eq!(
            refused(rate),
            "feed.rate_per_second = -1: expected 0 (no limit) or more events per second"
        );
        let batch = BatchSettings { events: 0, ..BatchSettings::default() };
        assert!(refused(Settings { batch, ..Settings::default() }).contains("feed.batch.events = 0"));
        let unknown = serde_json::from_str::<Settings>(r#"{"rate": 1}"#).unwrap_err().to_string();
        assert!(unknown.contains("rate_per_second"), "{unknown}");
    }
}
