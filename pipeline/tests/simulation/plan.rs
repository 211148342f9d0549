//! What a seed decides before the run: the shape of the cluster and how rough it gets.

use std::time::Duration;

use hmisr_features::FeatureSettings;
use hmisr_pipeline::{Delivery, PipelineSettings};
use hmisr_stream::memory::{Call, Effect, Fault};

use super::random::Random;

/// A mistake on purpose, to see the simulation find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// A transaction is committed when the next one begins, so after its state was written.
    CommitsLate,
    /// After an abort reading goes on where it was.
    IgnoresSeek,
    /// Offsets are told while a transaction that moves them is open.
    IgnoresOpenTransactions,
    /// A new sink does not fence the old.
    KeepsProducer,
}

/// The shape of one run.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub instances: usize,
    pub partitions: i32,
    /// The partition's clock goes by 16 users or more.
    pub users: u64,
    /// Two instances were given the same transactional id.
    pub same_id: bool,
    /// What happens before the storm is over.
    pub actions: u64,
    /// Requests that go wrong, in a thousand.
    pub faults: u64,
    /// How often another instance goes on at a point of the engine, in a thousand.
    pub interleaving: u64,
    pub features: FeatureSettings,
    pub pipeline: PipelineSettings,
    pub mistake: Option<Mistake>,
}

impl Plan {
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let features = FeatureSettings {
            window: random.one_of(&[1, 4, 16]),
            recent: random.one_of(&[1, 3, 20]),
            popularity_epoch: random.one_of(&[3, 20]),
            half_life_events: random.one_of(&[10, 1000]),
            min_ts_ms: 1_000,
            ttl_ms: random.one_of(&[300, 2_000, 1 << 40]),
            max_lateness_ms: random.one_of(&[0, 10, 500]),
            dedup_events: random.one_of(&[0, 3]),
            ..FeatureSettings::default()
        };
        let pipeline = PipelineSettings {
            delivery: if random.chance(150) { Delivery::AtLeastOnce } else { Delivery::ExactlyOnce },
            commit_interval_ms: random.one_of(&[0, 20, 200]),
            commit_records: random.one_of(&[3, 20, 1000]),
            batch_records: random.one_of(&[1, 5, 50]),
            history: random.one_of(&[2, 10]),
            max_user_categories: random.one_of(&[4, 100]),
            max_failed_commits: random.one_of(&[3, 20]),
            retry_pause_ms: random.one_of(&[1, 100]),
            ..PipelineSettings::default()
        };
        Self {
            seed,
            instances: random.one_of(&[1, 2, 2, 3]),
            partitions: random.one_of(&[1, 2, 3]),
            users: random.one_of(&[6, 6, 60]),
            same_id: random.chance(150),
            actions: 100 + random.below(250),
            faults: random.one_of(&[0, 10, 40, 100]),
            interleaving: random.one_of(&[0, 10, 50]),
            features,
            pipeline,
            mistake: None,
        }
    }

    pub fn timeouts(&self) -> hmisr_stream::memory::Timeouts {
        hmisr_stream::memory::Timeouts {
            session: Duration::from_secs(3),
            transaction: Duration::from_secs(5),
        }
    }

    /// What goes wrong with a request.
    pub fn fault(&self, random: &mut Random, call: Call) -> Option<Fault> {
        if !random.chance(self.faults) {
            return None;
        }
        let effect = random.one_of(&[Effect::Done, Effect::Late, Effect::Lost]);
        let slow = Fault::Slow(Duration::from_millis(random.one_of(&[50, 2_000, 6_000])));
        Some(match call {
            Call::Poll | Call::Committed | Call::Bounds | Call::Produce => {
                random.one_of(&[Fault::Unavailable, slow, Fault::Unanswered(effect)])
            }
            Call::Init => random.one_of(&[Fault::Unavailable, Fault::Unanswered(effect)]),
            Call::CommitOffsets | Call::SendOffsets | Call::Commit => {
                random.one_of(&[Fault::Refused, slow, Fault::Unanswered(effect), Fault::Unanswered(effect)])
            }
            Call::Abort => random.one_of(&[slow, Fault::Unanswered(effect)]),
        })
    }
}
