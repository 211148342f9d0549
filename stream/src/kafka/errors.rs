//! From librdkafka's codes to the crate's kinds.

use rdkafka::error::{KafkaError, RDKafkaError, RDKafkaErrorCode};

use crate::{Error, ErrorKind};

/// A client that could not be made. The value of a refused property is left out: it may be a
/// secret.
pub(super) fn creation(error: KafkaError) -> Error {
    match error {
        KafkaError::ClientConfig(_, _, key, _) => Error::new(
            ErrorKind::Configuration,
            format!("kafka.client.{key} is not a property of librdkafka, or its value is not one of it"),
        ),
        other => {
            Error::caused(ErrorKind::Configuration, format!("no Kafka client can be made: {other}"), other)
        }
    }
}

/// What a question's failure means: refused rights and settings stay, the rest may pass.
pub(super) fn request_kind(code: Option<RDKafkaErrorCode>) -> ErrorKind {
    use RDKafkaErrorCode as Code;
    match code {
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
            ErrorKind::MissingTopic
        }
        Some(
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::Authentication
            | Code::SSL
            | Code::InvalidTopic
            | Code::InvalidGroupId
            | Code::InvalidConfig
            | Code::InvalidPartitions
            | Code::InvalidReplicationFactor
            | Code::InvalidSessionTimeout
            | Code::InvalidTransactionTimeout
            | Code::InconsistentGroupProtocol
            | Code::PolicyViolation
            | Code::UnsupportedVersion
            | Code::UnsupportedFeature
            | Code::UnsupportedAssignor,
        ) => ErrorKind::Configuration,
        Some(Code::FencedInstanceId | Code::UnreleasedInstanceId) => ErrorKind::Fenced,
        _ => ErrorKind::Unavailable,
    }
}

/// What an error on a consumer's queue means; none where librdkafka recovers by itself.
pub(super) fn queue_kind(code: RDKafkaErrorCode) -> Option<ErrorKind> {
    use RDKafkaErrorCode as Code;
    match code {
        Code::OffsetOutOfRange | Code::AutoOffsetReset | Code::LogTruncation => {
            Some(ErrorKind::OffsetOutOfRange)
        }
        Code::BadMessage | Code::BadCompression | Code::InvalidMessage | Code::InvalidRecord => {
            Some(ErrorKind::Corrupt)
        }
        // Brokers that cannot be reached now are tried again for as long as it takes.
        Code::Authentication | Code::SSL | Code::SaslAuthenticationFailed => None,
        code => Some(request_kind(Some(code))).filter(|kind| *kind != ErrorKind::Unavailable),
    }
}

/// What the failure of a transaction's call means.
pub(super) fn transaction_kind(code: RDKafkaErrorCode, fatal: bool, requires_abort: bool) -> ErrorKind {
    use RDKafkaErrorCode as Code;
    match code {
        Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch => ErrorKind::Fenced,
        Code::TransactionalIdAuthorizationFailed | Code::ClusterAuthorizationFailed if fatal => {
            ErrorKind::Configuration
        }
        _ if !fatal && requires_abort => ErrorKind::Aborted,
        // A fatal error of another kind ends this producer, not the job; a call that timed out
        // may yet take effect.
        _ => ErrorKind::UnknownOutcome,
    }
}

/// The same, of an error object.
pub(super) fn kind_of_transaction_error(error: &RDKafkaError) -> ErrorKind {
    transaction_kind(error.code(), error.is_fatal(), error.txn_requires_abort())
}

#[cfg(test)]
mod tests {
    use RDKafkaErrorCode as Code;

    use super::*;

    #[test]
    fn a_refused_value_is_not_repeated() {
        let error = rdkafka::ClientConfig::new()
            .set("security.protocol", "hunter2")
            .create::<rdkafka::producer::BaseProducer>()
            .err()
            .map(creation)
            .unwrap();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains("security.protocol"));
        assert!(!format!("{error:?}").contains("hunter2"));
    }

    #[test]
    fn transactions_end_in_the_kind_to_act_on() {
        for (code, fatal, requires_abort, kind) in [
            (Code::Fenced, true, false, ErrorKind::Fenced),
            (Code::IllegalGeneration, false, true, ErrorKind::Aborted),
            (Code::OperationTimedOut, false, false, ErrorKind::UnknownOutcome),
            (Code::InvalidTransactionalState, true, false, ErrorKind::UnknownOutcome),
            (Code::OutOfOrderSequenceNumber, true, true, ErrorKind::UnknownOutcome),
        ] {
            assert_eq!(transaction_kind(code, fatal, requires_abort), kind, "{code:?}");
        }
    }

    #[test]
    fn what_passes_is_not_an_error() {
        for code in [Code::AllBrokersDown, Code::BrokerTransportFailure, Code::Resolve, Code::PollExceeded] {
            assert_eq!(queue_kind(code), None, "{code:?}");
        }
        assert_eq!(queue_kind(Code::AutoOffsetReset), Some(ErrorKind::OffsetOutOfRange));
        assert_eq!(queue_kind(Code::UnknownTopicOrPartition), Some(ErrorKind::MissingTopic));
        assert_eq!(queue_kind(Code::BadCompression), Some(ErrorKind::Corrupt));
    }
}
