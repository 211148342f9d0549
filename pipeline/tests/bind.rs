//! State built from history goes live beside what runs: a new group goes on from it, and its
//! outputs are those of a job that has read the topic from the first event.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use crate::common::{Bench, events};
use hmisr_pipeline::backfill::{Backfill, Line};
use hmisr_state::{Identity, Resources, StateSettings, bind};
use hmisr_stream::contract::{FeatureRecord, topic};
use hmisr_stream::partition_for_key;

const PARTITIONS: i32 = 3;

fn features(bench: &Bench) -> Vec<FeatureRecord> {
    let read =
        |record: &hmisr_stream::Record| serde_json::from_slice(record.payload.as_ref().unwrap()).unwrap();
    let mut records: Vec<FeatureRecord> = bench.read(topic::USER_FEATURES).iter().map(read).collect();
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}

#[test]
fn a_job_goes_on_from_a_backfill() {
    let stream = events(11, 800);
    let (history, live) = stream.split_at(500);
    let calm = Bench::new(PARTITIONS);
    calm.send(&stream);
    calm.run().unwrap();

    let mut bench = Bench::new(PARTITIONS);
    bench.send(history);
    let ends = bench.log.ends(topic::EVENTS).unwrap();
    let lines = history.iter().map(|event| {
        let key = event.user_id.to_string().into_bytes();
        assert!(partition_for_key(&key, PARTITIONS) < PARTITIONS);
        Ok::<_, hmisr_pipeline::Error>(Line {
            key: Some(key),
            payload: event.encode(),
            written: None,
            place: "",
        })
    });
    let state = StateSettings::default();
    let backfill = Backfill {
        partitioner: Default::default(),
        features: bench.features.clone(),
        pipeline: bench.pipeline.clone(),
        state: state.clone(),
        partitions: PARTITIONS,
        folder: &bench.state_folder(),
    };
    backfill.run(lines, &mut Vec::new(), |_| {}).unwrap();

    bench.pipeline.group = "the-new-one".into();
    let resources = Resources::new(state);
    for (partition, end) in ends.iter().enumerate() {
        let path = bench.state_folder().join(format!("partition-{partition:05}"));
        let found = Identity::of(&path, &resources).unwrap();
        let topic_id = bench.log.topic(topic::EVENTS).unwrap().id;
        let live = Identity { topic: topic_id, group: bench.pipeline.group.clone(), ..found };
        bind(&path, topic::EVENTS, &live, *end, &resources).unwrap();
    }
    let refused = bench.run().err().unwrap().to_string();
    assert!(refused.contains("--adopt-store-offset"), "{refused}");
    // Once is enough, also where no record has come since.
    bench.pipeline.adopt_store_offset = true;
    bench.run().unwrap();
    bench.pipeline.adopt_store_offset = false;
    bench.send(live);
    bench.run().unwrap();

    let is_live = |record: &FeatureRecord| record.offset >= ends[record.partition as usize];
    let expected: Vec<_> = features(&calm).into_iter().filter(is_live).collect();
    // The others are late.
    assert!(expected.len() > live.len() / 2);
    assert_eq!(features(&bench), expected);
}
