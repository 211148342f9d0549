//! How long the brokers keep the partitions of a dead member for it, in the protocol `consumer`.

use rdkafka::admin::ResourceSpecifier;

use super::Admin;
use super::check::{Finding, Severity};
use crate::Result;

/// The brokers' property (KIP-848); a member has no say in it, as it has in the protocol `classic`.
const SESSION: &str = "group.consumer.session.timeout.ms";
/// What partitions may be without a reader; a group in the protocol `classic` stays below it.
const STANDS_STILL_MS: u64 = 30_000;

impl Admin {
    /// What speaks against a group in the protocol `consumer`, as the brokers are set. None where nothing does, and
    /// where the brokers do not say: they are older than the protocol, or keep their properties from this client.
    ///
    /// # Errors
    /// Kind `Unavailable`.
    pub fn check_session(&self) -> Result<Option<Finding>> {
        let longest = self.brokers()?.into_iter().filter_map(|broker| self.session_ms(broker)).max();
        Ok(longest.filter(|session| *session > STANDS_STILL_MS).map(|session| {
            let text = format!(
                "{SESSION} is {session} at the brokers: with kafka.group_protocol = \"consumer\" the partitions of an \
                 instance that dies stand still for as long; set it, and group.consumer.min.session.timeout.ms, to \
                 10000 there, or use kafka.group_protocol = \"classic\" (kafka.session_timeout_ms)"
            );
            Finding { severity: Severity::Warning, text }
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
