//! What can be set of a model, with its default.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::architecture::Architecture;
use crate::hmisr::{EncoderKind, HmisrSettings};
use crate::{Error, ErrorKind, Result};

/// Events that a token of the memory stands for, on average.
pub const MERGED: usize = 8;

/// A model's architecture and sizes. The defaults are the small size, which CPUs train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelSettings {
    /// The network.
    pub architecture: Architecture,
    /// Width of embeddings and of the encoder, d.
    pub width: usize,
    /// Attention heads; they divide the width.
    pub heads: usize,
    /// Encoder layers.
    pub layers: usize,
    /// Width of the feed-forward network.
    pub feed_forward: usize,
    /// Events that the network reads, at most.
    pub max_len: usize,
    /// Tokens that stand for the [`MERGED`] times as many events before those, merged; 0: these are not read. Of
    /// networks that [have one](ModelSettings::has_memory).
    pub memory: usize,
    /// Share of values dropped in training.
    pub dropout: f32,
    /// Interests of the multi-interest networks, K.
    pub interests: usize,
    /// What only HMISR has.
    pub hmisr: HmisrSettings,
    /// Seed of every initial weight and of every dropout mask.
    pub seed: u64,
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self {
            architecture: Architecture::Hmisr,
            width: 64,
            heads: 2,
            layers: 2,
            feed_forward: 256,
            max_len: 50,
            memory: 0,
            dropout: 0.1,
            interests: 4,
            hmisr: HmisrSettings::default(),
            seed: 1,
        }
    }
}

impl ModelSettings {
    /// The full size of the model (design, section 4.1 "Parameters").
    pub fn full() -> Self {
        Self {
            width: 256,
            heads: 8,
            layers: 4,
            feed_forward: 1_024,
            max_len: 200,
            interests: 6,
            ..Self::default()
        }
    }

    /// Whether every position sees the newest `max_len` events up to it, wherever a run of events begins: what it
    /// costs is where it is asked, not what it reads.
    pub fn recalls(&self) -> bool {
        match self.architecture {
            Architecture::Recurrence => true,
            Architecture::Hmisr => self.hmisr.encoder == EncoderKind::Recurrence,
            _ => false,
        }
    }

    /// Whether it can read older events than the newest `max_len`, merged into tokens (design, section 3.7.3
    /// "Long sequences", after LONGER: Chai et al., RecSys 2025).
    pub fn has_memory(&self) -> bool {
        matches!(self.architecture, Architecture::Hmisr | Architecture::Sasrec) && !self.recalls()
    }

    /// Who reads the events, in words.
    fn reader(&self) -> String {
        match self.architecture {
            Architecture::Hmisr => format!("hmisr with model.hmisr.encoder = \"{}\"", self.hmisr.encoder),
            architecture => architecture.to_string(),
        }
    }

    /// Events of a run that is learnt from at once, each of which foretells the next. Where the network reads more
    /// than that, a run's costs are those of its targets, and short runs of many users mix better.
    pub fn run(&self) -> usize {
        const MIXED: usize = 50;
        if self.recalls() { self.max_len.min(MIXED) } else { self.max_len }
    }

    /// How many events a run reads one by one that foretells from `first` to before `end` of a history.
    pub fn recent(&self, first: usize, end: usize) -> usize {
        if self.recalls() { end - (first + 1).saturating_sub(self.max_len) } else { end - first }
    }

    /// Newest events of a history that the network reads, one by one or merged.
    pub fn reach(&self) -> usize {
        self.max_len + MERGED * self.memory
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] names field, value and range.
    pub fn validate(&self) -> Result<()> {
        within("model.width", self.width, 4, 1_024)?;
        within("model.heads", self.heads, 1, 64)?;
        within("model.layers", self.layers, 1, 24)?;
        within("model.feed_forward", self.feed_forward, 1, 8_192)?;
        within("model.max_len", self.max_len, 2, 1_000)?;
        within("model.memory", self.memory, 0, 1_000)?;
        if self.memory > 0 && !self.has_memory() {
            let expected = format!("0, for {} reads the newest model.max_len events alone", self.reader());
            return Err(refused("model.memory", self.memory, &expected));
        }
        within("model.dropout", self.dropout, 0.0, 0.9)?;
        within("model.interests", self.interests, 1, 64)?;
        if !self.width.is_multiple_of(2) || !self.width.is_multiple_of(self.heads) {
            return Err(refused("model.width", self.width, "an even multiple of model.heads"));
        }
        self.hmisr.validate()
    }
}

/// Refuses a value outside of `least` to `most`.
///
/// # Errors
/// [`ErrorKind::Configuration`] names field, value and range.
pub fn within<T: PartialOrd + std::fmt::Display>(field: &str, value: T, least: T, most: T) -> Result<()> {
    // Written so that NaN is outside.
    if value >= least && value <= most {
        return Ok(());
    }
    Err(refused(field, value, &format!("{least} to {most}")))
}

fn refused(field: &str, value: impl std::fmt::Display, range: &str) -> Error {
    Error::new(ErrorKind::Configuration, format!("setting `{field}`: {value} is not {range}"))
}

/// A setting that is another than it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Change<'a> {
    /// Its path, such as `hmisr.losses.contrast`.
    pub path: String,
    /// The value before; null where there was none.
    pub before: &'a Value,
    /// The value now.
    pub now: &'a Value,
}

/// The settings of `now` that `before` has otherwise or not at all; lists are values.
///
/// ```
/// use hmisr_model::settings::changes;
/// use serde_json::json;
///
/// let (before, now) = (json!({"rate": 1, "model": {"width": 8}}), json!({"rate": 1, "model": {"width": 16}}));
/// let found = changes(&before, &now);
/// assert_eq!((found.len(), &found[0].path[..]), (1, "model.width"));
/// assert_eq!((found[0].before, found[0].now), (&json!(8), &json!(16)));
/// ```
pub fn changes<'a>(before: &'a Value, now: &'a Value) -> Vec<Change<'a>> {
    static NONE: Value = Value::Null;
    fn walk<'a>(path: &str, before: &'a Value, now: &'a Value, found: &mut Vec<Change<'a>>) {
        match (before, now) {
            (Value::Object(before), Value::Object(now)) => {
                for (key, value) in now {
                    let place = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    walk(&place, before.get(key).unwrap_or(&NONE), value, found);
                }
            }
            _ if before != now => found.push(Change { path: path.to_owned(), before, now }),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk("", before, now, &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_valid_and_errors_name_the_field() {
        ModelSettings::default().validate().unwrap();
        ModelSettings::full().validate().unwrap();
        let error = ModelSettings { heads: 3, ..ModelSettings::default() }.validate().unwrap_err();
        assert!(error.to_string().contains("model.width"), "{error}");
        let error = ModelSettings { dropout: f32::NAN, ..ModelSettings::default() }.validate().unwrap_err();
        assert!(error.to_string().contains("model.dropout"), "{error}");
        let remembering = ModelSettings { memory: 10, ..ModelSettings::default() };
        remembering.validate().unwrap();
        let error = ModelSettings { architecture: Architecture::Mind, ..remembering }.validate().unwrap_err();
        assert!(error.to_string().contains("`model.memory`: 10 is not 0, for mind reads"), "{error}");
    }

    #[test]
    fn what_recalls_reads_all_that_each_target_needs() {
        let plain = ModelSettings::default();
        assert_eq!((plain.run(), plain.recent(30, 80)), (50, 50));
        let recalling = ModelSettings {
            architecture: Architecture::Recurrence,
            max_len: 200,
            ..ModelSettings::default()
        };
        assert_eq!(recalling.run(), 50);
        // The first target of each run is foretold by 1, 101 and 200 events.
        assert_eq!(
            [(0, 50), (100, 150), (300, 350)].map(|(first, end)| recalling.recent(first, end)),
            [50, 150, 249]
        );
    }
}
