//! What every client shares: where librdkafka's words go, and questions about topics.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::client::Client;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::{errors, ffi};
use crate::contract::topic as names;
use crate::{Error, ErrorKind, Result};

/// How long the reason of a failure may come after it.
const COMPLAINT: Duration = Duration::from_secs(1);

/// From this age on a text says how old a complaint is.
const OLD: Duration = Duration::from_secs(60);

/// How long a consumer may take to leave its group.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// librdkafka's log goes to `tracing`; its last complaint is kept for error texts.
#[derive(Debug, Default)]
pub(super) struct Reporting {
    complaint: Mutex<Option<Complaint>>,
    /// Whether a broker has ever answered.
    answered: AtomicBool,
}

/// Why a broker could not be reached, mostly.
#[derive(Debug, Clone)]
struct Complaint {
    code: Option<RDKafkaErrorCode>,
    reason: String,
    came: Instant,
}

impl Reporting {
    fn complaint(&self) -> Option<Complaint> {
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether there was a complaint since the first answer.
    pub(super) fn complained(&self) -> bool {
        self.complaint().is_some()
    }

    /// A broker has answered: the settings are right, and what was said before does not hold.
    pub(super) fn has_answered(&self) {
        if !self.answered.swap(true, Ordering::Relaxed) {
            *self.complaint.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Whether the settings are why no broker answers. Once one has answered they are not: then an
    /// interrupted handshake passes, however it is called.
    fn is_refused(&self) -> bool {
        !self.answered.load(Ordering::Relaxed) && self.complaint().is_some_and(|it| it.is_refusal())
    }

    /// Polls a client until librdkafka has told why something failed: it does so a moment later.
    pub(super) fn await_complaint(&self, mut poll: impl FnMut(Duration)) {
        let deadline = Instant::now() + COMPLAINT;
        while !self.complained() && Instant::now() < deadline {
            poll(COMPLAINT / 20);
        }
    }

    /// The last complaint, for people.
    pub(super) fn reason(&self) -> String {
        self.complaint().map_or_else(|| "no reason was given".to_owned(), |complaint| complaint.text())
    }
}

impl Complaint {
    /// Whether it is about settings or rights. Of a certificate that is not trusted librdkafka now and
    /// then tells as of a lost connection.
    fn is_refusal(&self) -> bool {
        errors::request_kind(self.code) == ErrorKind::Configuration
            || self.reason.contains("certificate verify failed")
    }

    fn text(&self) -> String {
        let age = self.came.elapsed();
        if age < OLD { self.reason.clone() } else { format!("{}, {} s ago", self.reason, age.as_secs()) }
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
        let code = error.rdkafka_error_code();
        // Whoever reads to the end asks for it.
        if code == Some(RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        tracing::warn!(target: "librdkafka", "{error}: {reason}");
        let new = Complaint { code, reason: reason.to_owned(), came: Instant::now() };
        let answered = self.answered.load(Ordering::Relaxed);
        let mut complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        // That all brokers are down follows from what was said of each; a connection that closes
        // says less than why it was refused.
        let says_less = |old: &Complaint| {
            code == Some(RDKafkaErrorCode::AllBrokersDown)
                || (!answered && old.is_refusal() && !new.is_refusal())
        };
        if !complaint.as_ref().is_some_and(says_less) {
            *complaint = Some(new);
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
    let reporting = client.context().reporting();
    // "Timed out" says less than why no broker was there to answer.
    let why = reporting
        .complaint()
        .map_or_else(|| error.to_string(), |complaint| format!("{error}; {}", complaint.text()));
    let code = error.rdkafka_error_code();
    let mut kind = match code.and_then(errors::queue_kind) {
        Some(ErrorKind::Corrupt) => ErrorKind::Corrupt,
        _ => errors::request_kind(code),
    };
    if kind == ErrorKind::Unavailable && reporting.is_refused() {
        kind = ErrorKind::Configuration;
    }
    let remedy = match kind {
        ErrorKind::Configuration => {
            "check kafka.client (security.protocol, ssl.*, sasl.*) and the rights there"
        }
        ErrorKind::Corrupt => "mend the batch at the brokers, or let the job skip it (--skip-unreadable)",
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
        client.context().reporting().has_answered();
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

/// What tells a topic from one of the same name that was made before or after it: the id that the
/// brokers gave it, its name where they are too old for ids.
pub(super) fn identity<C: Reports>(
    client: &Client<C>,
    brokers: &str,
    topic: &str,
    timeout: Duration,
) -> Result<String> {
    match ffi::topic_id(client, topic, timeout) {
        Ok(id) => Ok(id.unwrap_or_else(|| topic.to_owned())),
        Err(code) => {
            let question = format!("asking for the id of the topic {topic}");
            Err(unanswered(client, brokers, &question, KafkaError::MetadataFetch(code)))
        }
    }
}

/// Drops a consumer, which speaks with the group's coordinator; that may be gone.
pub(super) fn close(consumer: impl Send + 'static, group: &str) {
    let (closed, wait) = mpsc::channel();
    let closing = std::thread::Builder::new().name("kafka-close".to_owned()).spawn(move || {
        drop(consumer);
        let _ = closed.send(());
    });
    if closing.is_ok() && wait.recv_timeout(CLOSE_WITHIN) == Err(mpsc::RecvTimeoutError::Timeout) {
        tracing::warn!(
            group,
            "leaving the group takes more than {} s; it goes on in the background",
            CLOSE_WITHIN.as_secs()
        );
    }
}

/// The error for a topic that must exist.
pub(super) fn missing_topic(topic: &str, brokers: &str) -> Error {
    let make = format!("hmisr topics create --brokers {brokers}");
    let remedy = match names::ALL.contains(&topic) {
        true => format!("make it with `{make}`"),
        false => format!("correct its name, or make it with `{make} --also {topic}=PARTITIONS`"),
    };
    let text = format!("the topic {topic} does not exist at the brokers {brokers}: {remedy}");
    Error::new(ErrorKind::MissingTopic, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_that_fails_after_an_answer_is_no_wrong_setting() {
        let reporting = Reporting::default();
        reporting.error(KafkaError::Global(RDKafkaErrorCode::SSL), "handshake failed");
        reporting.error(KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure), "closed");
        assert!(reporting.is_refused());
        assert_eq!(reporting.reason(), "handshake failed");
        reporting.has_answered();
        assert!(!reporting.complained());
        reporting.error(KafkaError::Global(RDKafkaErrorCode::SSL), "connection reset");
        assert!(!reporting.is_refused());
        let untrusted = Reporting::default();
        let lost = KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure);
        untrusted.error(lost.clone(), "connection reset");
        assert!(!untrusted.is_refused());
        untrusted.error(lost, "SSL routines::certificate verify failed (after 10ms in state SSL_HANDSHAKE)");
        assert!(untrusted.is_refused());
        assert_eq!(reporting.reason(), "connection reset");
    }

    #[test]
    fn the_end_of_a_partition_is_no_complaint() {
        let reporting = Reporting::default();
        reporting.error(KafkaError::Global(RDKafkaErrorCode::PartitionEOF), "Broker: No more messages");
        assert!(!reporting.complained());
        reporting.error(KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure), "closed");
        assert!(reporting.complained());
    }

    #[test]
    fn an_old_complaint_says_its_age() {
        let came = Instant::now().checked_sub(Duration::from_secs(90)).unwrap();
        let text = Complaint { code: None, reason: "refused".to_owned(), came }.text();
        assert!(text.starts_with("refused, ") && text.ends_with(" s ago"), "{text}");
    }
}
