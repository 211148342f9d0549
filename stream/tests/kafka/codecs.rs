//! Records in every compression that there is are read.

use hmisr_stream::Source;
use hmisr_stream::kafka::{Admin, KafkaSettings, TopicSpec, read_committed};
use hmisr_testkit::broker;

use super::support::*;

#[test]
fn every_codec_is_read() {
    let Some(brokers) = broker::shared() else { return };
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        // What the producer makes stays as it is; and then what the broker makes of it.
        for kept in ["producer", if codec == "none" { "uncompressed" } else { codec }] {
            let client = [("compression.type".to_owned(), codec.to_owned())].into();
            let settings = KafkaSettings { client, linger_ms: 50, ..settings(brokers) };
            let topic = unique("topic");
            let spec = TopicSpec::new(topic, 1).with("compression.type", kept);
            assert_eq!(Admin::new(&settings).unwrap().create_topics(&[spec]).unwrap(), [topic]);
            write(&settings, topic, 0, 0..500);
            let found = read_committed(&settings, topic, SOON).unwrap();
            assert_eq!(numbers(&found), Vec::from_iter(0..500), "{codec}, {kept}");
            let mut source = joined(&settings, topic, 1);
            source.seek(0, 0).unwrap();
            assert_eq!(numbers(&read(&mut source, 500)), Vec::from_iter(0..500), "{codec}, {kept}");
        }
    }
}
