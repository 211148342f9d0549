//! `hmisr bench learn`: how many examples a second the loop's own step learns from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use hmisr_feed::{EventLog, FeedMetrics, Feeder};
use hmisr_model::backend::{self, Inner};
use hmisr_model::{Architecture, ModelSettings, Network, Parameters};
use hmisr_offline::measures::ndcg;
use hmisr_stream::contract::{TrainingExample, topic};
use hmisr_stream::log::Log;
use hmisr_stream::{Limits, Polled, Source};
use hmisr_trainer::{StepTimes, Trainer};
use prometheus::Registry;
use serde::Serialize;
use serde_json::json;

use super::products::{gflops, median, milliseconds, tenth};
use super::{log_of, usage};
use crate::commands::pipeline::{self, State};
use crate::config::Config;
use crate::failure::Failure;
use crate::input::FedFrom;

/// One example in so many is also ranked as served, as in the loop.
const SERVED: usize = 64;
/// How often the job is looked at.
const LOOK: Duration = Duration::from_millis(20);
const STOPPED: &str = "stopped before all was measured";
/// No example is dropped before it is read.
const KEPT_BYTES: u64 = 1 << 40;

/// Arguments of `hmisr bench learn`.
#[derive(Debug, Args)]
pub struct BenchLearnArgs {
    /// The events.
    #[command(flatten)]
    pub feed: FedFrom,
    /// The network, in the place of trainer.model.architecture; the rest of trainer.model is as it is set.
    #[arg(long, value_name = "NAME")]
    pub model: Option<Architecture>,
    /// Newest events that it reads, in the place of trainer.model.max_len.
    #[arg(long, value_name = "N")]
    pub len: Option<usize>,
    /// Examples that are learnt from before the first that counts.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub warm_up: usize,
    /// Examples that count; fewer where there are no more.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub examples: usize,
    /// Folder for log and state while it runs; without it a temporary one.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// What was seen, as printed with --json.
#[derive(Debug, Serialize)]
struct Report {
    model: Architecture,
    backend: &'static str,
    threads: usize,
    setting: serde_json::Value,
    examples: usize,
    examples_per_s: f64,
    /// Events that the network read, without padding.
    tokens_per_s: f64,
    /// CPU over wall time.
    cores: f64,
    /// Where a micro-batch's time goes, means.
    parts_ms: serde_json::Value,
    peak_rss_bytes: u64,
    /// Products of square matrices in the same run.
    product_gflops: f64,
    /// What the products of the network and of the catalogue alone would allow at that speed.
    ceiling_examples_per_s: f64,
    /// NDCG@10 of the retrieval over the examples that count, each before it was learnt from.
    ndcg: f64,
    /// The same of the lists that would have been served by relevance, counts included, of one example in 64; none
    /// where none was asked for.
    served_ndcg: Option<f64>,
    /// Bytes of the pairs that are counted beside the network.
    counts_bytes: usize,
}

pub fn run(mut config: Config, args: &BenchLearnArgs) -> Result<(), Failure> {
    if args.examples == 0 {
        return Err(Failure::user("--examples: must be 1 or more"));
    }
    let model = &mut config.trainer.model;
    model.architecture = args.model.unwrap_or(model.architecture);
    model.max_len = args.len.unwrap_or(model.max_len);
    config.trainer.validate()?;
    config.pipeline.training_examples = true;
    config.pipeline.history = config.trainer.model.reach();
    config.log.retention_bytes = KEPT_BYTES;
    let scratch = match &args.data {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            tempfile::tempdir_in(folder)?
        }
        None => tempfile::tempdir()?,
    };
    let stop = crate::stop::on_signal()?;
    let log = Log::open(&log_of(scratch.path()), config.log.clone())?;
    log.create_topics(&config.topics)?;
    record(&mut config, args, &log, scratch.path(), &stop)?;
    let examples = examples(&log)?;
    let Some(report) = measure(&config, args, &examples, &stop)? else {
        return Err(Failure::user(STOPPED));
    };
    match args.json {
        true => println!("{}", json!(report)),
        false => print(&report),
    }
    Ok(())
}

/// Runs the events through the job, whose examples lie in the log then.
fn record(
    config: &mut Config,
    args: &BenchLearnArgs,
    log: &Log,
    folder: &Path,
    stop: &AtomicBool,
) -> Result<(), Failure> {
    args.feed.apply(&mut config.feed, true, false)?;
    if config.feed.events.is_none() && config.feed.generator.events.is_none() {
        return Err(Failure::user(
            "--events, or --generate with a number of events, says what is learnt from",
        ));
    }
    let mut source = config.feed.open_source()?;
    crate::reading::tell_of_actions(source.summary().as_ref(), &config.pipeline.positive_actions);
    let registry = Registry::new();
    let mut writer = log.writer()?;
    let mut feeder = Feeder::new(&config.feed, FeedMetrics::new(&registry)?)?;
    feeder.run(source.as_mut(), writer.as_mut(), &mut || u64::MAX, stop)?;
    let events: u64 = writer.ends()?.iter().map(|end| end.unsigned_abs()).sum();
    eprintln!("{events} events run through the job");
    let state = State::new(config);
    let ended = Arc::new(AtomicBool::new(false));
    let job = pipeline::start(config, log, &folder.join("state"), &registry, state, ended.clone())?;
    let processed = || job.progress.next_offsets().values().sum::<i64>().unsigned_abs();
    while processed() < events && !job.is_finished() && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK);
    }
    ended.store(true, Ordering::Relaxed);
    job.join()?;
    if stop.load(Ordering::Relaxed) {
        return Err(Failure::user(STOPPED));
    }
    Ok(())
}

/// The log's examples in the order in which a stream would have brought them: by time over the partitions, as they
/// lie in each.
fn examples(log: &Log) -> Result<Vec<TrainingExample>, Failure> {
    let mut source = log.source(topic::TRAINING_EXAMPLES, "bench-learn")?;
    let limits = Limits { records: 10_000, bytes: usize::MAX };
    let (mut examples, mut newest) = (Vec::new(), BTreeMap::new());
    loop {
        match source.poll(limits, LOOK)? {
            Polled::Assigned(partitions) => {
                partitions.into_iter().try_for_each(|partition| source.seek(partition, 0))?;
            }
            Polled::Revoked(_) => {}
            Polled::Records(records) if records.is_empty() => break,
            Polled::Records(records) => {
                for record in records {
                    let Some(payload) = &record.payload else { continue };
                    let example = TrainingExample::read(payload).map_err(|error| Failure::fault(&error))?;
                    // What is late stands where it came.
                    let at = newest.entry(record.partition).or_insert(example.ts);
                    *at = example.ts.max(*at);
                    examples.push((*at, example));
                }
            }
        }
    }
    // Stable: a partition's examples, which ascend, keep their order.
    examples.sort_by_key(|(at, _)| *at);
    Ok(examples.into_iter().map(|(_, example)| example).collect())
}

/// None where it was asked to stop.
fn measure(
    config: &Config,
    args: &BenchLearnArgs,
    examples: &[TrainingExample],
    stop: &AtomicBool,
) -> Result<Option<Report>, Failure> {
    let batch = config.trainer.batch_examples;
    let warm_up = args.warm_up.next_multiple_of(batch);
    let counted = examples.len().saturating_sub(warm_up).min(args.examples);
    if counted == 0 {
        return Err(Failure::user(format!(
            "the events made {} examples, and --warm-up takes {warm_up}: give more events, or a smaller --warm-up",
            examples.len()
        )));
    }
    let device = backend::device()?;
    let mut trainer = Trainer::new(config.trainer.clone(), backend::device()?)?;
    let (mut times, mut seen) = (StepTimes::default(), Seen::default());
    let mut begun = (Instant::now(), usage::cpu_seconds()?);
    for (nth, batch) in examples[..warm_up + counted].chunks(batch).enumerate() {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let asked: Vec<usize> = (0..batch.len()).step_by(SERVED).collect();
        let step = trainer.learn_and_serve(batch, &asked)?;
        if nth * config.trainer.batch_examples < warm_up {
            begun = (Instant::now(), usage::cpu_seconds()?);
            continue;
        }
        times.add(&step.times);
        seen.items = step.items;
        seen.steps += 1;
        seen.examples += step.examples;
        seen.tokens += step.tokens;
        seen.read += step.tokens + step.padding;
        seen.ranked += step.ranked.len();
        let served = step.ranked.iter().filter_map(|ranked| ranked.served);
        served.for_each(|served| {
            seen.served += 1;
            seen.served_gain += ndcg(served.relevance, 10);
        });
        seen.counts_bytes = step.counts.map_or(0, |(bytes, _)| bytes);
        seen.gain += step.ranked.iter().map(|ranked| ndcg(ranked.model, 10)).sum::<f64>();
    }
    let (seconds, cpu) = (begun.0.elapsed().as_secs_f64(), usage::cpu_seconds()? - begun.1);
    let product_gflops = median((0..3).map(|_| gflops(&device)));
    let model = &config.trainer.model;
    let items = seen.items;
    let parameters = Network::<Inner>::fresh(model, &device);
    // Above this the loss is over a sample of the catalogue.
    let learning = &config.trainer.learning;
    let scored = if items <= learning.full_softmax_items { items } else { 1 + learning.negatives };
    let terms = terms(model, &parameters, seen.read as f64 / seen.examples as f64, scored);
    let part = |time: Duration| tenth(milliseconds(&time) / seen.steps as f64);
    Ok(Some(Report {
        model: model.architecture,
        backend: backend::NAME,
        threads: std::thread::available_parallelism()?.get(),
        setting: json!({
            "len": model.reach(), "width": model.width, "items": items, "batch": config.trainer.batch_examples,
            "warm_up": warm_up,
        }),
        examples: seen.examples,
        examples_per_s: (seen.examples as f64 / seconds).round(),
        tokens_per_s: (seen.tokens as f64 / seconds).round(),
        cores: tenth(cpu / seconds),
        parts_ms: json!({
            "prepare": part(times.prepare), "served": part(times.served), "forward": part(times.forward),
            "loss": part(times.loss), "backward": part(times.backward), "update": part(times.update),
        }),
        peak_rss_bytes: usage::peak_rss_bytes()?,
        product_gflops: product_gflops.round(),
        ceiling_examples_per_s: (product_gflops * 1e9 / (2.0 * terms)).round(),
        ndcg: seen.gain / seen.ranked.max(1) as f64,
        served_ndcg: (seen.served > 0).then(|| seen.served_gain / seen.served as f64),
        counts_bytes: seen.counts_bytes,
    }))
}

#[derive(Default)]
struct Seen {
    items: usize,
    steps: usize,
    examples: usize,
    tokens: usize,
    /// Tokens with padding.
    read: usize,
    ranked: usize,
    /// Sum of the gains of NDCG@10.
    gain: f64,
    served: usize,
    served_gain: f64,
    counts_bytes: usize,
}

/// Multiply-adds of an example's products, forward and twice back: of the network's matrices, at each token that it
/// computes, and of each of its vectors with the items that the loss is over.
fn terms(model: &ModelSettings, parameters: &Parameters, tokens: f64, items: usize) -> f64 {
    let matrices = parameters.list.iter().filter(|one| one.shape.iter().all(|side| *side > 1));
    let weights: usize = matrices.map(|one| one.weights.len()).sum();
    let architecture = model.architecture;
    let tokens = if model.recalls() { 1.0 } else { tokens };
    let vectors = if architecture.is_joint() && !model.recalls() { model.interests } else { 1 };
    3.0 * (weights as f64 * tokens + (items * model.width * vectors) as f64)
}

fn print(report: &Report) {
    println!("{} on {}, {} threads: {}", report.model, report.backend, report.threads, report.setting);
    println!(
        "learnt        {:>8.0} examples/s, {:.0} tokens/s, on {:.1} cores",
        report.examples_per_s, report.tokens_per_s, report.cores
    );
    println!(
        "the ceiling   {:>8.0} examples/s by matrix products alone, of {:.0} GFLOP/s; {:.0} % of it",
        report.ceiling_examples_per_s,
        report.product_gflops,
        100.0 * report.examples_per_s / report.ceiling_examples_per_s
    );
    println!("a step, ms    {}", report.parts_ms);
    println!("memory        {:>8.0} MB at most", report.peak_rss_bytes as f64 / 1e6);
    println!(
        "NDCG@10       {:>8.4} over {} examples, each before it was learnt from",
        report.ndcg, report.examples
    );
    if let Some(served) = report.served_ndcg {
        println!("as served     {served:>8.4} over one in {SERVED} of them");
    }
}
