//! How long the brokers keep the partitions of a dead member for it, in the protocol `consumer`.

use std::time::Duration;

use rdkafka::admin::ResourceSpecifier;

use super::check::{Finding, Severity};
use super::{Admin, GroupProtocol, KafkaSettings};
use crate::{Error, ErrorKind, Result};

/// The brokers' property (KIP-848); a member has no say in it, as it has in the protocol `classic`.
const SESSION: &str = "group.consumer.session.timeout.ms";
/// How long partitions may be without a reader, unless the settings allow for more.
const STANDS_STILL_MS: u32 = 30_000;

impl KafkaSettings {
    /// How long the partitions of a dead member may be kept for it: in the protocol `classic` the session, in
    /// `consumer` the longest session of the brokers with which a member joins.
    pub fn longest_session(&self) -> Duration {
        let session_ms = match self.group_protocol {
            GroupProtocol::Classic => self.session_timeout_ms,
            GroupProtocol::Consumer => self.session_timeout_ms.max(STANDS_STILL_MS),
        };
        Duration::from_millis(session_ms.into())
    }

    /// Refuses a membership in which partitions would stand still for longer than they may.
    ///
    /// # Errors
    /// Kinds `Configuration`, `Unavailable`.
    pub(super) fn accept_session(&self) -> Result<()> {
        if self.group_protocol == GroupProtocol::Classic {
            return Ok(());
        }
        match Admin::new(self)?.check_session(self)? {
            Some(finding) => Err(Error::new(ErrorKind::Configuration, finding.text)),
            None => Ok(()),
        }
    }
}

impl Admin {
    /// What speaks against the protocol of the settings' group, as the brokers are set. None where nothing does, and
    /// where the brokers do not say: they are older than the protocol, or keep their properties from this client.
    ///
    /// # Errors
    /// Kind `Unavailable`.
    pub fn check_session(&self, settings: &KafkaSettings) -> Result<Option<Finding>> {
        if settings.group_protocol == GroupProtocol::Classic {
            return Ok(None);
        }
        let longest = settings.longest_session().as_millis();
        let session = self.brokers()?.into_iter().filter_map(|broker| self.session_ms(broker)).max();
        Ok(session.filter(|session| u128::from(*session) > longest).map(|session| {
            let text = format!(
                "{SESSION} is {session} at the brokers: with kafka.group_protocol = \"consumer\" the partitions of an \
                 instance that dies would stand still for as long, and {longest} ms are allowed; set it, and \
                 group.consumer.min.session.timeout.ms, to 10000 there, or use kafka.group_protocol = \"classic\", or \
                 allow for it by kafka.session_timeout_ms = {session}"
            );
            Finding { severity: Severity::Change, text }
        }))
    }

    fn brokers(&self) -> Result<Vec<i32>> {
        let metadata = self
            .client()
            .fetch_metadata(None, self.timeout())
            .map_err(|error| self.failed("asking for the brokers", error))?;
        Ok(metadata.brokers().iter().map(rdkafka::metadata::MetadataBroker::id).collect())
    }

    fn session_ms(&self, broker: i32) -> Option<u64> {
        let value = self.properties(&ResourceSpecifier::Broker(broker)).ok()?.remove(SESSION)?;
        value.parse().ok()
    }
}
