//! What Prometheus sees of the trainer.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{Gauge, Histogram, IntCounter, IntGauge, Registry, exponential_buckets};

use hmisr_recommend::artifact::Manifest;
use hmisr_recommend::counts::SOURCES;
use hmisr_stream::Registrar;

use crate::online::Pass;
use crate::prequential::Means;
use crate::report::StepReport;

/// The trainer's metrics, labels resolved.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub(crate) steps: IntCounter,
    examples: IntCounter,
    repeated_examples: IntCounter,
    pub(crate) bad_examples: IntCounter,
    pub(crate) lost_examples: IntCounter,
    pub(crate) left_out_examples: IntCounter,
    pub(crate) tombstones: IntCounter,
    pub(crate) truncated: IntCounter,
    pub(crate) not_ranked: IntCounter,
    pub(crate) tokens: IntCounter,
    pub(crate) padding: IntCounter,
    pub(crate) replayed: IntCounter,
    pub(crate) announce_failures: IntCounter,
    pub(crate) loss: Gauge,
    pub(crate) gradient_norm: Gauge,
    /// By the model, popularity, and as served with λ = 0 and with the user's own.
    hr: [Gauge; 4],
    ndcg: [Gauge; 4],
    unknown: Gauge,
    /// By [`SOURCES`].
    source_weights: Vec<Gauge>,
    counts_bytes: IntGauge,
    pub(crate) catalogue: IntGauge,
    pub(crate) seen_entries: IntGauge,
    pub(crate) seen_dropped: IntGauge,
    pub(crate) lag: IntGauge,
    lesson_pass: IntGauge,
    lesson_passes: IntGauge,
    lesson_ratio: Gauge,
    pub(crate) silent_seconds: IntGauge,
    pub(crate) missing_partitions: IntGauge,
    pub(crate) batch: Histogram,
    pub(crate) step_seconds: Histogram,
    snapshot_version: IntGauge,
    snapshot_time: Gauge,
    snapshot_bytes: IntGauge,
    pub(crate) snapshot_seconds: Histogram,
}

impl Metrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// Where one of the names is taken.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let new = Registrar::new(registry);
        let by_ranker = |name: &str, help: &str| {
            let vec = new.float_gauge_vec(name, help, &["ranker"])?;
            Ok::<_, prometheus::Error>([
                vec.with_label_values(&["model"]),
                vec.with_label_values(&["popularity"]),
                vec.with_label_values(&["served"]),
                vec.with_label_values(&["personal"]),
            ])
        };
        let of_rankers = "before learning, over the newest examples: `model` and `popularity` rank the whole catalogue \
                          for each, `served` (λ = 0) and `personal` are lists as a server makes them, for one in 64";
        let hr = by_ranker("hmisr_trainer_hr10_ratio", &format!("HR@10 {of_rankers}"))?;
        let ndcg = by_ranker("hmisr_trainer_ndcg10_ratio", &format!("NDCG@10 {of_rankers}"))?;
        let weights = new.float_gauge_vec(
            "hmisr_trainer_source_weight",
            "What the network and each source that is counted beside it weigh in an answer; all 0 where nothing is \
             counted and the network answers alone",
            &["source"],
        )?;
        let source_weights = SOURCES.iter().map(|source| weights.with_label_values(&[source])).collect();
        Ok(Self {
            steps: new.counter("hmisr_trainer_steps_total", "Micro-batches learnt from")?,
            examples: new
                .counter("hmisr_trainer_examples_total", "Examples learnt from for the first time")?,
            repeated_examples: new.counter(
                "hmisr_trainer_repeated_examples_total",
                "Examples learnt from again, in a later pass of a first lesson",
            )?,
            bad_examples: new.counter(
                "hmisr_trainer_bad_examples_total",
                "Records that are no training example, skipped",
            )?,
            lost_examples: new.counter(
                "hmisr_trainer_lost_examples_total",
                "Offsets that the log no longer held when they were to be learnt from",
            )?,
            left_out_examples: new.counter(
                "hmisr_trainer_left_out_examples_total",
                "Offsets older than the newest that a first lesson takes, never learnt from",
            )?,
            tombstones: new
                .counter("hmisr_trainer_tombstones_total", "Users whose seen items were forgotten")?,
            truncated: new.counter(
                "hmisr_trainer_truncated_histories_total",
                "Histories longer than the model reads, cut",
            )?,
            not_ranked: new
                .counter("hmisr_trainer_not_ranked_total", "Examples learnt from but not evaluated")?,
            tokens: new.counter("hmisr_trainer_tokens_total", "Events encoded, without padding")?,
            padding: new.counter("hmisr_trainer_padding_tokens_total", "Padding encoded beside them")?,
            replayed: new.counter(
                "hmisr_trainer_replayed_batches_total",
                "Batches learnt again, as the journal says, after a restart",
            )?,
            announce_failures: new.counter(
                "hmisr_trainer_announce_failures_total",
                "Snapshots whose announcement was aborted",
            )?,
            loss: new.float_gauge(
                "hmisr_trainer_loss_nats",
                "Weighted cross-entropy an example of the newest batch before learning from it",
            )?,
            gradient_norm: new
                .float_gauge("hmisr_trainer_gradient_norm", "Norm of the newest gradient before clipping")?,
            hr,
            ndcg,
            unknown: new.float_gauge(
                "hmisr_trainer_unknown_target_ratio",
                "Share of the newest targets that the model did not know",
            )?,
            source_weights,
            counts_bytes: new.gauge(
                "hmisr_trainer_counts_bytes",
                "What counted pairs of items take, at most trainer.sources.max_bytes",
            )?,
            catalogue: new.gauge("hmisr_trainer_catalogue_items", "Items that the model knows")?,
            seen_entries: new.gauge("hmisr_trainer_seen_entries", "Seen items kept over all users")?,
            seen_dropped: new.gauge(
                "hmisr_trainer_seen_dropped_users",
                "Users whose seen items were dropped for room, in all",
            )?,
            lag: new.gauge(
                "hmisr_trainer_lag_records",
                "Records of training-examples behind the log's known end",
            )?,
            lesson_pass: new.gauge(
                "hmisr_trainer_lesson_pass",
                "Pass of the first lesson that is under way, from 1; 0 where none is",
            )?,
            lesson_passes: new
                .gauge("hmisr_trainer_lesson_passes", "Passes of the first lesson that is under way")?,
            lesson_ratio: new.float_gauge("hmisr_trainer_lesson_ratio", "Share of the pass that is done")?,
            silent_seconds: new.gauge(
                "hmisr_trainer_brokers_silent_seconds",
                "How long no broker has answered, where that is more than 15 s",
            )?,
            missing_partitions: new.gauge(
                "hmisr_trainer_missing_partitions",
                "Partitions of training-examples that are not this trainer's",
            )?,
            batch: new.histogram(
                "hmisr_trainer_batch_examples",
                "Examples of a micro-batch",
                exponential_buckets(1.0, 2.0, 14)?,
            )?,
            step_seconds: new.histogram(
                "hmisr_trainer_step_seconds",
                "Evaluating and learning a batch",
                exponential_buckets(1e-3, 2.0, 16)?,
            )?,
            snapshot_version: new.gauge("hmisr_trainer_snapshot_version", "Newest published version")?,
            snapshot_time: new.float_gauge(
                "hmisr_trainer_snapshot_timestamp_seconds",
                "When it was published, Unix time; its age is time() minus this",
            )?,
            snapshot_bytes: new.gauge("hmisr_trainer_snapshot_bytes", "Its size")?,
            snapshot_seconds: new.histogram(
                "hmisr_trainer_snapshot_seconds",
                "Writing a snapshot",
                exponential_buckets(1e-2, 2.0, 14)?,
            )?,
        })
    }

    /// A batch was learnt; `is_first` where its examples came for the first time.
    pub(crate) fn step(&self, report: &StepReport, rolling: &Means, is_first: bool) {
        self.steps.inc();
        let examples = if is_first { &self.examples } else { &self.repeated_examples };
        examples.inc_by(report.examples as u64);
        self.truncated.inc_by(report.truncated as u64);
        self.not_ranked.inc_by(report.not_ranked as u64);
        self.tokens.inc_by(report.tokens as u64);
        self.padding.inc_by(report.padding as u64);
        self.batch.observe(report.examples as f64);
        self.loss.set(report.loss);
        self.gradient_norm.set(report.gradient_norm);
        let Means { model_hr, popularity_hr, served_hr, personal_hr, .. } = *rolling;
        let Means { model_ndcg, popularity_ndcg, served_ndcg, personal_ndcg, .. } = *rolling;
        let hr = [model_hr, popularity_hr, served_hr, personal_hr];
        let ndcg = [model_ndcg, popularity_ndcg, served_ndcg, personal_ndcg];
        self.hr.iter().zip(hr).for_each(|(gauge, value)| gauge.set(value));
        self.ndcg.iter().zip(ndcg).for_each(|(gauge, value)| gauge.set(value));
        self.unknown.set(rolling.unknown);
        self.catalogue.set(report.items as i64);
        let (bytes, weights) = report.counts.unwrap_or_default();
        self.counts_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.source_weights.iter().zip(weights).for_each(|(gauge, weight)| gauge.set(weight));
    }

    pub(crate) fn pass(&self, pass: Option<Pass>) {
        let integer = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        self.lesson_pass.set(pass.map_or(0, |pass| integer(pass.number)));
        self.lesson_passes.set(pass.map_or(0, |pass| integer(pass.of)));
        self.lesson_ratio.set(pass.map_or(0.0, |pass| pass.share));
    }

    pub(crate) fn snapshot(&self, manifest: &Manifest) {
        self.snapshot_version.set(i64::try_from(manifest.version).unwrap_or(i64::MAX));
        // One of the future would hide for as long that nothing newer comes.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        self.snapshot_time.set((manifest.created_ms as f64 / 1_000.0).min(now));
        self.snapshot_bytes.set(i64::try_from(manifest.bytes()).unwrap_or(i64::MAX));
    }
}
