//! TLS and SASL, set by `kafka.client`.

use std::fmt::Debug;
use std::path::Path;
use std::process::Command;

use hmisr_stream::kafka::{Admin, KafkaProducer, KafkaSettings, KafkaSink, KafkaSource, read_committed};
use hmisr_stream::{ErrorKind, Sink, Source};
use hmisr_testkit::broker;

use super::support::*;

const PASSWORD: &str = "hmisr-secret";

fn secured(brokers: &str, password: &str, ca: &Path) -> KafkaSettings {
    let mut settings = settings(brokers);
    for (property, value) in [
        ("security.protocol", "SASL_SSL"),
        ("ssl.ca.location", ca.to_str().unwrap()),
        ("sasl.mechanisms", "PLAIN"),
        ("sasl.username", "hmisr"),
        ("sasl.password", password),
    ] {
        settings.client.insert(property.to_owned(), value.to_owned());
    }
    settings
}

#[test]
fn a_secured_broker_is_spoken_with_and_refusals_are_told_without_secrets() {
    let Some(own) = broker::start_with(1, |_| vec!["--secure".to_owned()]) else { return };
    let ca = own.dir.join("ca.pem");
    let right = secured(&own.address, PASSWORD, &ca);
    let topic = topic(&right, 1);
    write(&right, topic, 0, 0..3);
    let mut source = joined(&right, topic, 1);
    source.seek(0, 0).unwrap();
    assert_eq!(numbers(&read(&mut source, 3)), [0, 1, 2]);
    let mut sink = KafkaSink::new(&right).unwrap();
    sink.begin().unwrap();
    sink.produce(&outgoing(topic, 0, 3)).unwrap();
    sink.commit().unwrap();
    assert_eq!(read_committed(&right, topic, SOON).unwrap().len(), 4);

    let wrong = "wrong-hunter2";
    let impatient = |settings| KafkaSettings { request_timeout_ms: 2_000, ..settings };
    let refused = impatient(secured(&own.address, wrong, &ca));
    let stranger = own.dir.join("stranger.pem");
    certify(&stranger);
    let unknown = impatient(secured(&own.address, PASSWORD, &stranger));
    for (settings, word) in [(&refused, "uthenticat"), (&unknown, "certificate")] {
        let attempts: [Result<(), hmisr_stream::Error>; 4] = [
            KafkaSource::new(settings, topic).map(drop),
            KafkaSink::new(settings).map(drop),
            KafkaProducer::new(settings).map(drop),
            Admin::new(settings).map(drop),
        ];
        for attempt in attempts {
            let error = attempt.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
            assert!(error.to_string().contains(word), "{error}");
            assert!(error.to_string().contains("kafka.client"), "{error}");
            silent(&error, &[PASSWORD, wrong]);
        }
    }
}

/// Nothing of it may be written anywhere.
fn silent(error: &(impl Debug + std::fmt::Display), secrets: &[&str]) {
    for secret in secrets {
        assert!(!format!("{error} {error:?}").contains(secret), "{secret} is told");
    }
}

/// Writes a certificate that nothing is signed with.
fn certify(path: &Path) {
    let keys = path.with_extension("p12");
    let keytool = |arguments: &[&str]| {
        let output = Command::new("keytool")
            .args(arguments)
            .args(["-alias", "stranger", "-storepass", "hmisr-keys", "-keystore"])
            .arg(&keys)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    keytool(&["-genkeypair", "-keyalg", "EC", "-dname", "CN=stranger", "-ext", "bc:c"]);
    keytool(&["-exportcert", "-rfc", "-file", path.to_str().unwrap()]);
}
