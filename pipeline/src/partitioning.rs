//! Watches whether keys lie where the topic's partitioner puts them.
//!
//! It looks at keys and partitions alone, and changes neither state nor outputs: what it finds is counted
//! and told. It costs a hash and a probe for each record until it knows the partitioner, then a hash.

use hmisr_stream::{KeySample, Partitioner, Record, Registrar, Verdict};
use prometheus::{Gauge, IntCounter, Registry};

/// Records between two looks at whether the partitioner that was recognised still holds.
const CHECKED_EVERY: u64 = 4_096;
/// Records until another sample is taken, after one that decided nothing.
const RESTS_FOR: u64 = 100_000;

/// Counter of records in foreign partitions, and what the newest sample says.
#[derive(Clone)]
pub(crate) struct PartitioningMetrics {
    foreign: IntCounter,
    /// By partitioner, in the order of [`Partitioner::KNOWN`].
    agreement: Vec<Gauge>,
}

impl PartitioningMetrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let new = Registrar::new(registry);
        let foreign = new.counter(
            "hmisr_pipeline_foreign_records_total",
            "Events in another partition than the configured partitioner puts their key in.",
        )?;
        let agreement = new.float_gauge_vec(
            "hmisr_pipeline_partitioner_agreement_ratio",
            "Share of distinct keys, of 1000 sampled, that lie where the partitioner puts them.",
            &["partitioner"],
        )?;
        let agreement = Partitioner::KNOWN
            .iter()
            .map(|partitioner| agreement.with_label_values(&[partitioner.as_str()]))
            .collect();
        Ok(Self { foreign, agreement })
    }
}

/// What is being done.
enum Phase {
    /// Keys are gathered until there are enough.
    Sampling,
    /// Records are held against the partitioner that was recognised.
    Checking { partitioner: Partitioner, records: u64, elsewhere: u64 },
    /// Nothing was decided; in so many records it is tried again.
    Resting { records: u64 },
}

/// What was told last, so that nothing is told twice in a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    /// Records lie elsewhere, and it is too early to say why.
    Foreign,
    /// The keys so far point to this partitioner.
    Likely(Partitioner),
    Verdict(Verdict),
}

/// Recognises the topic's partitioner from the records that pass, and tells where it is not the
/// configured one.
pub(crate) struct Partitioning {
    topic: String,
    partitions: i32,
    configured: Partitioner,
    metrics: PartitioningMetrics,
    sample: KeySample,
    phase: Phase,
    told: Told,
    /// Events in foreign partitions since the start, and those of the batch that is not committed.
    foreign: u64,
    uncommitted: u64,
}

impl Partitioning {
    pub(crate) fn new(
        topic: &str,
        partitions: i32,
        configured: Partitioner,
        metrics: PartitioningMetrics,
    ) -> Self {
        Self {
            topic: topic.to_owned(),
            partitions,
            configured,
            metrics,
            sample: KeySample::new(partitions),
            phase: Phase::Sampling,
            told: Told::Nothing,
            foreign: 0,
            uncommitted: 0,
        }
    }

    /// Looks at the records of one partition. Those before `mute_until` were counted already.
    pub(crate) fn observe(&mut self, partition: i32, records: &[&Record], mute_until: i64) {
        if self.partitions < 2 {
            return;
        }
        for record in records {
            // A request to forget goes to every partition, and a record without a key to any.
            let (Some(key), Some(_)) = (&record.key, &record.payload) else { continue };
            let expected = self.configured.of(key, self.partitions);
            if expected.is_some_and(|expected| expected != partition) && record.offset >= mute_until {
                self.uncommitted += 1;
            }
            self.take(key, partition, expected);
        }
        self.tell();
    }

    /// What was observed is committed.
    pub(crate) fn commit(&mut self) {
        self.metrics.foreign.inc_by(self.uncommitted);
        self.foreign += std::mem::take(&mut self.uncommitted);
    }

    /// What was observed comes again.
    pub(crate) fn discard(&mut self) {
        self.uncommitted = 0;
    }

    fn take(&mut self, key: &[u8], partition: i32, expected: Option<i32>) {
        match &mut self.phase {
            Phase::Sampling => {
                self.sample.add(key, partition);
                if self.sample.is_full() {
                    self.decide();
                }
            }
            Phase::Checking { partitioner, records, elsewhere } => {
                let found = if *partitioner == self.configured {
                    expected
                } else {
                    partitioner.of(key, self.partitions)
                };
                *records += 1;
                *elsewhere += u64::from(found != Some(partition));
                if *records >= CHECKED_EVERY {
                    match *elsewhere * 100 > *records {
                        true => self.sample_anew(),
                        false => (*records, *elsewhere) = (0, 0),
                    }
                }
            }
            Phase::Resting { records: 0 } => self.sample_anew(),
            Phase::Resting { records } => *records -= 1,
        }
    }

    fn sample_anew(&mut self) {
        self.sample = KeySample::new(self.partitions);
        self.phase = Phase::Sampling;
    }

    /// The sample is full.
    fn decide(&mut self) {
        for (gauge, (_, share)) in self.metrics.agreement.iter().zip(self.sample.shares()) {
            gauge.set(share);
        }
        self.phase = match self.sample.verdict(self.configured) {
            Verdict::Recognised(partitioner) => Phase::Checking { partitioner, records: 0, elsewhere: 0 },
            _ => Phase::Resting { records: RESTS_FOR },
        };
    }

    /// Says what is new, once.
    fn tell(&mut self) {
        let verdict = self.sample.verdict(self.configured);
        let foreign = self.foreign + self.uncommitted;
        let new = match (verdict, self.sample.best(self.configured)) {
            (Verdict::OnePartition, _) => return,
            // The sample after a verdict: what was told holds until there is another.
            (Verdict::TooFewKeys, _) if matches!(self.told, Told::Verdict(_)) => return,
            (Verdict::TooFewKeys, _) if foreign == 0 => return,
            (Verdict::TooFewKeys, Some(best)) if self.sample.keys() >= KeySample::FEW => Told::Likely(best),
            (Verdict::TooFewKeys, _) => Told::Foreign,
            (verdict, _) => Told::Verdict(verdict),
        };
        let known_better = new == Told::Foreign && self.told != Told::Nothing;
        if new == self.told || known_better {
            return;
        }
        self.told = new;
        match self.finding(new, foreign) {
            Finding::Fine(text) => tracing::info!(topic = self.topic, "{text}"),
            Finding::Wrong(text) => tracing::warn!(topic = self.topic, "{text}"),
        }
    }

    fn finding(&self, told: Told, foreign: u64) -> Finding {
        let Self { sample, configured, .. } = self;
        match told {
            Told::Verdict(Verdict::Recognised(partitioner)) if partitioner == *configured => {
                let but = if foreign > 0 { format!(", but for {foreign} events") } else { String::new() };
                Finding::Fine(format!("the topic is partitioned by {partitioner}, as configured{but}"))
            }
            Told::Verdict(Verdict::Recognised(partitioner)) if *configured == Partitioner::Any => {
                Finding::Fine(format!(
                    "the topic is partitioned by {partitioner}: with topics.partitioner = \"{partitioner}\" a look-up asks the owner first"
                ))
            }
            Told::Verdict(Verdict::Recognised(partitioner)) => Finding::Wrong(format!(
                "the topic is partitioned by {partitioner}, and topics.partitioner is {configured}: set topics.partitioner = \"{partitioner}\" for the job, the servers and whoever writes events ({sample})"
            )),
            Told::Verdict(_) if *configured == Partitioner::Any => {
                Finding::Fine(format!("no partitioner explains the topic's keys: {sample}"))
            }
            Told::Verdict(_) => Finding::Wrong(format!(
                "the topic's partitioner is undecided: {sample}. Its producers differ, or use another partitioner: let all use one, else a user's events may lie in two partitions, each with a part of the features (`hmisr state verify` names them); where a user is always in one, set topics.partitioner = \"any\""
            )),
            Told::Likely(partitioner) if partitioner != *configured => Finding::Wrong(format!(
                "{foreign} events lie in another partition than topics.partitioner = \"{configured}\" puts them, and {sample}: set topics.partitioner = \"{partitioner}\"; it is certain after {} keys",
                KeySample::KEYS
            )),
            Told::Likely(_) => Finding::Wrong(format!(
                "{foreign} events lie in another partition than topics.partitioner = \"{configured}\" puts them, and nearly all do not ({sample}): a producer partitions otherwise, and the users of its events may lie in two partitions"
            )),
            Told::Nothing | Told::Foreign => Finding::Wrong(format!(
                "{foreign} events lie in another partition than topics.partitioner = \"{configured}\" puts them: {sample}. Set what the producers use, or \"any\"; which it is will be certain after {} keys",
                KeySample::KEYS
            )),
        }
    }
}

/// What is told.
#[derive(Debug)]
enum Finding {
    Fine(String),
    Wrong(String),
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]
mod tests {
    use super::*;

    const PARTITIONS: i32 = 4;

    fn watch(configured: Partitioner) -> (Partitioning, PartitioningMetrics) {
        let metrics = PartitioningMetrics::new(&Registry::new()).unwrap();
        (Partitioning::new("events", PARTITIONS, configured, metrics.clone()), metrics)
    }

    /// Observes an event of each user, where the partitioner puts it, and commits.
    fn observe(watch: &mut Partitioning, users: std::ops::Range<u32>, of: Partitioner) {
        for user in users {
            let key = user.to_string().into_bytes();
            let partition = of.choose(&key, PARTITIONS);
            let (key, payload) = (Some(key), Some(Vec::new()));
            let record = Record { partition, offset: 0, timestamp_ms: 0, key, payload, headers: Vec::new() };
            watch.observe(partition, &[&record], 0);
        }
        watch.commit();
    }

    fn wrong(watch: &Partitioning) -> String {
        match watch.finding(watch.told, watch.foreign) {
            Finding::Wrong(text) => text,
            Finding::Fine(text) => panic!("nothing wrong: {text}"),
        }
    }

    #[test]
    fn a_mismatch_is_told_at_once_and_named_with_few_keys() {
        let (mut watch, metrics) = watch(Partitioner::Murmur2);
        observe(&mut watch, 0..4, Partitioner::Crc32);
        assert!(metrics.foreign.get() > 0);
        assert!(watch.told == Told::Foreign, "{}", wrong(&watch));
        observe(&mut watch, 4..40, Partitioner::Crc32);
        assert!(watch.told == Told::Likely(Partitioner::Crc32));
        assert!(wrong(&watch).contains("set topics.partitioner = \"crc32\""), "{}", wrong(&watch));
        observe(&mut watch, 40..1_000, Partitioner::Crc32);
        assert!(watch.told == Told::Verdict(Verdict::Recognised(Partitioner::Crc32)));
        assert!(wrong(&watch).contains("of 1000 keys crc32 explains 100 %"), "{}", wrong(&watch));
        let agreement: Vec<f64> = metrics.agreement.iter().map(Gauge::get).collect();
        assert!(agreement[1] == 1.0 && agreement[0] < 0.5, "{agreement:?}");
    }

    #[test]
    fn what_is_as_configured_is_told_only_when_it_is_certain() {
        for partitioner in Partitioner::KNOWN {
            let (mut watch, metrics) = watch(partitioner);
            observe(&mut watch, 0..999, partitioner);
            assert!(watch.told == Told::Nothing);
            observe(&mut watch, 999..1_000, partitioner);
            assert!(matches!(watch.finding(watch.told, 0), Finding::Fine(_)));
            assert_eq!(metrics.foreign.get(), 0);
        }
    }

    #[test]
    fn a_producer_that_changes_is_noticed() {
        let (mut watch, metrics) = watch(Partitioner::Murmur2);
        observe(&mut watch, 0..2_000, Partitioner::Murmur2);
        assert!(watch.told == Told::Verdict(Verdict::Recognised(Partitioner::Murmur2)));
        observe(&mut watch, 0..10_000, Partitioner::Fnv1a);
        assert!(watch.told == Told::Verdict(Verdict::Recognised(Partitioner::Fnv1a)));
        assert!(metrics.foreign.get() > 5_000);
    }

    #[test]
    fn producers_that_differ_are_told_with_shares_and_looked_at_again() {
        let (mut watch, _) = watch(Partitioner::Murmur2);
        for user in 0..600 {
            observe(&mut watch, user..user + 1, Partitioner::Murmur2);
            observe(&mut watch, user..user + 1, Partitioner::Crc32);
        }
        assert!(watch.told == Told::Verdict(Verdict::Undecided));
        assert!(wrong(&watch).contains("undecided"), "{}", wrong(&watch));
        observe(&mut watch, 0..RESTS_FOR as u32 + 2_000, Partitioner::Crc32);
        assert!(watch.told == Told::Verdict(Verdict::Recognised(Partitioner::Crc32)));
    }

    #[test]
    fn with_any_nothing_is_foreign() {
        let (mut watch, metrics) = watch(Partitioner::Any);
        observe(&mut watch, 0..1_000, Partitioner::Crc32);
        assert_eq!(metrics.foreign.get(), 0);
        assert!(matches!(watch.finding(watch.told, 0), Finding::Fine(_)));
    }

    #[test]
    fn requests_to_forget_and_records_that_come_again_are_not_counted() {
        let (mut watch, metrics) = watch(Partitioner::Murmur2);
        let key = Some(b"42".to_vec());
        let home = Partitioner::Murmur2.choose(b"42", PARTITIONS);
        let partition = (home + 1) % PARTITIONS;
        let record = |offset, payload| Record {
            partition,
            offset,
            timestamp_ms: 0,
            key: key.clone(),
            payload,
            headers: Vec::new(),
        };
        watch.observe(partition, &[&record(0, None)], 0);
        watch.observe(partition, &[&record(1, Some(Vec::new()))], 2);
        watch.commit();
        assert_eq!(metrics.foreign.get(), 0);
        watch.observe(partition, &[&record(2, Some(Vec::new()))], 2);
        watch.discard();
        watch.commit();
        assert_eq!(metrics.foreign.get(), 0);
        watch.observe(partition, &[&record(2, Some(Vec::new()))], 2);
        watch.commit();
        assert_eq!(metrics.foreign.get(), 1);
    }
}
