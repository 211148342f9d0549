//! Protocols: which events are learnt from, and which are asked for.

mod future;
mod leave_one_out;
mod temporal;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::data::{Dataset, Event, NEUTRAL_ACTIONS};
use crate::error::{Error, Result};
use crate::rank::Query;

pub(crate) use future::entropy;
pub use future::{FUTURE_EVENTS, FutureDiversity};
pub use temporal::QUANTILE;

/// What a fingerprint has of an event that nobody is asked for.
pub(crate) const NOT_ASKED: [u8; 1] = [0xfe];

/// A protocol by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Leave one out: a user's last choice is the test, the second last the validation.
    O1,
    /// A global temporal split at the 0.9 quantile of all times.
    O2,
}

impl Protocol {
    /// The core that is filtered for where nothing else is asked: 5 in O1, none in O2.
    pub fn default_core(self) -> usize {
        match self {
            Self::O1 => 5,
            Self::O2 => 1,
        }
    }
}

impl FromStr for Protocol {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "o1" => Ok(Self::O1),
            "o2" => Ok(Self::O2),
            _ => Err(Error::Setting {
                field: "protocol",
                value: text.to_owned(),
                expected: "expected o1 (leave one out) or o2 (global temporal split)".to_owned(),
            }),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::O1 => "o1",
            Self::O2 => "o2",
        })
    }
}

/// One question: after a user's events before `at`, which item came at `at`?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Case {
    /// Index into [`Dataset::users`].
    pub user: u32,
    /// Index of the target within the user's events; at least 1, so that there is a history.
    pub at: u32,
}

/// A set of cases by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaseSet {
    /// [`Split::validation`].
    Validation,
    /// [`Split::test`].
    Test,
    /// [`Split::successive`].
    Successive,
    /// [`Split::adaptation`].
    Adaptation,
}

impl CaseSet {
    /// Every set.
    pub const ALL: [Self; 4] = [Self::Validation, Self::Test, Self::Successive, Self::Adaptation];

    /// The set's name in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Validation => "validation",
            Self::Test => "test",
            Self::Successive => "successive",
            Self::Adaptation => "adaptation",
        }
    }
}

/// A data set cut by a protocol.
///
/// Each user's training part is a prefix of the user's events. A case's history is everything
/// before its target, so a test case sees the validation events of its user.
#[derive(Debug, Clone)]
pub struct Split {
    /// The protocol.
    pub protocol: Protocol,
    /// The data set, after filters.
    pub data: Arc<Dataset>,
    /// Whether items of the history are left out of the candidates.
    pub filter_seen: bool,
    /// What models and settings are selected by.
    pub validation: Vec<Case>,
    /// One case a user: the last item that was chosen.
    pub test: Vec<Case>,
    /// Every choice after the test threshold, each with all before it; empty in O1.
    pub successive: Vec<Case>,
    /// The first choice after the test threshold of each user with enough of them from there on to
    /// tell the diversity of what follows; empty in O1, where one event follows.
    pub adaptation: Vec<Case>,
    /// Times at which validation and test begin, in epoch milliseconds; none in O1.
    pub thresholds_ms: Option<[i64; 2]>,
    /// Users who would have a test case but no history for it.
    pub without_history: usize,
    train_len: Vec<u32>,
    warm: Vec<bool>,
}

/// Refuses data in which nobody chose anything, and says why none of the events is a choice.
fn require_choices(data: &Dataset) -> Result<()> {
    let mut events = data.events.iter().flatten();
    if events.any(|event| data.is_choice(event)) {
        return Ok(());
    }
    let neutral = data.events.iter().flatten().filter(|event| data.is_neutral(event)).count();
    let (all, weak) = (data.len(), data.len() - neutral);
    Err(Error::Data {
        name: data.name.clone(),
        problem: format!(
            "none of {all} events is a choice: {neutral} are of an action that says none ({}), {weak} of a weight of 0 or less",
            NEUTRAL_ACTIONS.join(", ")
        ),
        remedy:
            "give events that are choices, or name another column with --action-column or --weight-column"
                .to_owned(),
    })
}

impl Split {
    /// Cuts a data set. Items of the history are left out of the candidates unless the data hold
    /// repeated interactions.
    ///
    /// # Errors
    /// Where there are fewer than two items or categories are missing from the data set, where no event is a
    /// choice, and where training part, validation or test is empty.
    pub fn new(protocol: Protocol, data: impl Into<Arc<Dataset>>) -> Result<Self> {
        let data = data.into();
        if data.items.len() < 2 {
            return Err(Error::Data {
                name: data.name.clone(),
                problem: format!("a catalogue of {} item cannot be ranked", data.items.len()),
                remedy: "give data with at least two items".to_owned(),
            });
        }
        require_choices(&data)?;
        let mut split = Self {
            protocol,
            filter_seen: !data.repeats,
            validation: Vec::new(),
            test: Vec::new(),
            successive: Vec::new(),
            adaptation: Vec::new(),
            thresholds_ms: None,
            without_history: 0,
            train_len: vec![0; data.users.len()],
            warm: vec![false; data.items.len()],
            data,
        };
        match protocol {
            Protocol::O1 => leave_one_out::cut(&mut split),
            Protocol::O2 => temporal::cut(&mut split)?,
        }
        let mut warm = std::mem::take(&mut split.warm);
        split.training().flat_map(|(_, events)| events).for_each(|event| warm[event.item as usize] = true);
        split.warm = warm;
        split.expect(!split.warm.iter().any(|&warm| warm), "the training part")?;
        split.expect(split.validation.is_empty(), "the validation part")?;
        split.expect(split.test.is_empty(), "the test part")?;
        Ok(split)
    }

    fn expect(&self, is_empty: bool, part: &str) -> Result<()> {
        if !is_empty {
            return Ok(());
        }
        Err(Error::Data {
            name: self.data.name.clone(),
            problem: format!("{part} of protocol {} is empty", self.protocol),
            remedy: "give more events: users who chose three items or more, over a longer time".to_owned(),
        })
    }

    /// The cases of a set.
    pub fn cases(&self, set: CaseSet) -> &[Case] {
        match set {
            CaseSet::Validation => &self.validation,
            CaseSet::Test => &self.test,
            CaseSet::Successive => &self.successive,
            CaseSet::Adaptation => &self.adaptation,
        }
    }

    /// A text that differs between splits whose questions or candidates differ: SHA-256 of protocol,
    /// filter, ids, events, which of them are choices, and training parts, in hexadecimal.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{} {} ", self.protocol, self.filter_seen));
        for id in self.data.users.iter().chain(&self.data.items) {
            hash.update(id.key());
            hash.update([0xff]);
        }
        for (events, learnt) in self.data.events.iter().zip(&self.train_len) {
            hash.update(learnt.to_le_bytes());
            hash.update((events.len() as u64).to_le_bytes());
            for event in events {
                hash.update(event.item.to_le_bytes());
                hash.update(event.ts_ms.to_le_bytes());
                hash.update(event.action.to_le_bytes());
                hash.update(event.weight.map_or([0xff; 4], f32::to_le_bytes));
                if !self.data.is_choice(event) {
                    hash.update(NOT_ASKED);
                }
            }
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The events of the user that may be learnt from, by time.
    pub fn train(&self, user: u32) -> &[Event] {
        &self.data.events[user as usize][..self.train_len[user as usize] as usize]
    }

    /// Every user with training events, and those.
    pub fn training(&self) -> impl Iterator<Item = (u32, &[Event])> {
        (0..self.train_len.len() as u32).map(|user| (user, self.train(user))).filter(|(_, e)| !e.is_empty())
    }

    /// How often each item occurs in the training part.
    pub fn train_counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.data.items.len()];
        self.training().flat_map(|(_, events)| events).for_each(|event| counts[event.item as usize] += 1);
        counts
    }

    /// Whether the item does not occur in the training part.
    pub fn is_cold(&self, item: u32) -> bool {
        !self.warm[item as usize]
    }

    /// The event that a case asks for.
    pub fn target(&self, case: Case) -> Event {
        self.data.events[case.user as usize][case.at as usize]
    }

    /// What a model is told about a case.
    pub fn query(&self, case: Case) -> Query<'_> {
        let events = &self.data.events[case.user as usize];
        let (history, rest) = events.split_at(case.at as usize);
        Query { user: case.user, history, now_ms: rest.first().map_or(0, |target| target.ts_ms) }
    }

    /// The events from the target of a case on: what the user did next.
    pub fn future(&self, case: Case) -> &[Event] {
        &self.data.events[case.user as usize][case.at as usize..]
    }

    /// Share of the cases whose target does not occur in the training part.
    pub fn cold_share(&self, cases: &[Case]) -> f64 {
        let cold = cases.iter().filter(|&&case| self.is_cold(self.target(case).item)).count();
        cold as f64 / cases.len().max(1) as f64
    }
}
