//! What every client shares: where librdkafka's words go, and questions about topics.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::client::Client;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::errors;
use crate::{Error, ErrorKind, Result};

/// How long the reason of a failure may come after it.
const COMPLAINT: Duration = Duration::from_secs(1);

/// librdkafka's log goes to `tracing`; its last complaint is kept for error texts.
#[derive(Debug, Default)]
pub(super) struct Reporting {
    complaint: Mutex<Option<(Option<RDKafkaErrorCode>, String)>>,
}

impl Reporting {
    /// The last complaint: why a broker could not be reached, mostly.
    pub(super) fn complaint(&self) -> Option<(Option<RDKafkaErrorCode>, String)> {
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Polls a client until librdkafka has told why something failed: it does so a moment later.
    pub(super) fn await_complaint(&self, mut poll: impl FnMut(Duration)) {
        let deadline = Instant::now() + COMPLAINT;
        while self.complaint().is_none() && Instant::now() < deadline {
            poll(COMPLAINT / 20);
        }
    }

    /// The last complaint, for people.
    pub(super) fn reason(&self) -> String {
        self.complaint().map_or_else(|| "no reason was given".to_owned(), |(_, reason)| reason)
    }
}

impl ClientContext for Reporting {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::info!(target: "librdkafka", facility, "{message}");
            }
            RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(target: "librdkafka", "{error}: {reason}");
        let code = error.rdkafka_error_code();
        let mut complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        // That all brokers are down follows from what was said of each.
        if complaint.is_none() || code != Some(RDKafkaErrorCode::AllBrokersDown) {
            *complaint = Some((code, reason.to_owned()));
        }
    }
}

/// Gives a context's [`Reporting`].
pub(super) trait Reports: ClientContext {
    /// Where this context keeps librdkafka's complaints.
    fn reporting(&self) -> &Reporting;
}

impl Reports for Reporting {
    fn reporting(&self) -> &Reporting {
        self
    }
}

/// A question that was not answered in time, or was refused.
pub(super) fn unanswered<C: Reports>(
    client: &Client<C>,
    brokers: &str,
    question: &str,
    error: KafkaError,
) -> Error {
    let complaint = client.context().reporting().complaint();
    // "Timed out" says less than why no broker was there to answer.
    let why =
        complaint.as_ref().map_or_else(|| error.to_string(), |(_, reason)| format!("{error}; {reason}"));
    let mut kind = errors::request_kind(error.rdkafka_error_code());
    if kind == ErrorKind::Unavailable {
        kind = match complaint {
            Some((code, _)) if errors::request_kind(code) == ErrorKind::Configuration => {
                ErrorKind::Configuration
            }
            _ => kind,
        };
    }
    let remedy = match kind {
        ErrorKind::Configuration => {
            "check kafka.client (security.protocol, ssl.*, sasl.*) and the rights there"
        }
        ErrorKind::MissingTopic => "make the topic, or correct its name",
        ErrorKind::Fenced => "give every instance a kafka.group_instance_id of its own",
        _ => "check kafka.brokers, and that the broker runs and can be reached from here",
    };
    Error::caused(kind, format!("{question} at the brokers {brokers} failed ({why}): {remedy}"), error)
}

/// The partitions of a topic; none where it does not exist.
pub(super) fn partitions<C: Reports>(
    client: &Client<C>,
    brokers: &str,
    topic: &str,
    timeout: Duration,
) -> Result<Option<i32>> {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let asked = format!("asking for the topic {topic}");
        let metadata = client
            .fetch_metadata(Some(topic), left.max(Duration::from_millis(1)))
            .map_err(|error| unanswered(client, brokers, &asked, error))?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return Ok(None);
        };
        let code = match found.error().map(RDKafkaErrorCode::from) {
            None if !found.partitions().is_empty() => {
                return Ok(Some(i32::try_from(found.partitions().len()).unwrap_or(i32::MAX)));
            }
            None | Some(RDKafkaErrorCode::LeaderNotAvailable) => RDKafkaErrorCode::LeaderNotAvailable,
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                return Ok(None);
            }
            Some(code) => return Err(unanswered(client, brokers, &asked, KafkaError::MetadataFetch(code))),
        };
        // A topic made a moment ago has no leader yet.
        if Instant::now() >= deadline {
            return Err(unanswered(client, brokers, &asked, KafkaError::MetadataFetch(code)));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The error for a topic that must exist.
pub(super) fn missing_topic(topic: &str, brokers: &str) -> Error {
    Error::new(
        ErrorKind::MissingTopic,
        format!("the topic {topic} does not exist at the brokers {brokers}: make it, or correct its name"),
    )
}
