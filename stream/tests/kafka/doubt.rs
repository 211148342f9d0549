//! A commit whose answer is lost may have taken effect or not: a new sink finds out.

use hmisr_stream::kafka::{KafkaSettings, KafkaSink, read_committed};
use hmisr_stream::{ErrorKind, Sink, Source};
use hmisr_testkit::broker;
use hmisr_testkit::proxy::{Fault, Proxy};

use super::support::*;

#[test]
fn an_unknown_outcome_is_told_and_known_to_the_next_sink() {
    let mut proxy = Proxy::bind();
    let port = proxy.port.to_string();
    let own = broker::start_with(1, |broker| {
        proxy.serve(broker);
        vec!["--advertise".to_owned(), port]
    });
    let Some(own) = own else { return };
    let settings = KafkaSettings { transaction_timeout_ms: 2_000, ..settings(&own.address) };
    let (input, output) = (topic(&settings, 1), topic(&settings, 1));
    let mut source = joined(&settings, input, 1);
    let mut sink = KafkaSink::new(&settings).unwrap();
    let mut expected = Vec::new();
    let mut offset = None;
    for (number, fault) in
        [Fault::None, Fault::LoseAnswer, Fault::LoseRequest, Fault::None].into_iter().enumerate()
    {
        sink.begin().unwrap();
        sink.produce(&outgoing(output, 0, number)).unwrap();
        sink.send_offsets(&source.group(), input, &[(0, number as i64)]).unwrap();
        let lost = proxy.lost();
        proxy.set(fault);
        let committed = sink.commit();
        proxy.set(Fault::None);
        if fault == Fault::None {
            committed.unwrap();
        } else {
            let error = committed.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnknownOutcome, "{error}");
            assert!(proxy.lost() > lost, "nothing was lost");
            drop(sink);
            sink = KafkaSink::new(&settings).unwrap();
        }
        if fault != Fault::LoseRequest {
            expected.push(number);
            offset = Some(number as i64);
        }
        // Records and offsets still go together.
        assert_eq!(source.committed(0).unwrap(), offset, "{fault:?}");
        assert_eq!(numbers(&read_committed(&settings, output, SOON).unwrap()), expected, "{fault:?}");
    }
}
