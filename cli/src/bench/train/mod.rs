//! `hmisr bench train`: the time of a training step, its parts, and a PyTorch twin beside it.
//!
//! Steps are timed in rounds, and after each round the twin, in a process of its own, times as
//! many: what else the machine does hits both alike. Medians over all rounds are reported; the
//! ratio is the median of the rounds' ratios.

pub mod args;
mod trainee;
mod twin;

use std::time::{Duration, Instant};

use hmisr_model::backend;
use hmisr_model::{Architecture, ModelSettings, PassTimes};
use serde::Serialize;
use serde_json::json;

use self::args::BenchTrainArgs;
use self::trainee::Trainee;
use self::twin::Twin;
use super::products::{SIZE, gflops, median, milliseconds, tenth};
use super::usage;
use crate::failure::Failure;

/// Steps before the first that counts.
const WARM_UP: usize = 3;

/// Medians, as printed with --json.
#[derive(Debug, Serialize)]
struct Report {
    model: Architecture,
    backend: &'static str,
    threads: usize,
    setting: serde_json::Value,
    step_ms: f64,
    examples_per_s: f64,
    /// Where the step's time goes.
    parts_ms: serde_json::Value,
    /// Products of square matrices: the ceiling.
    product_gflops: f64,
    /// The most memory that was resident, of the process.
    peak_rss_bytes: u64,
    /// Loss of the last step, nats.
    loss: f64,
    #[serde(skip_serializing_if = "Option::is_none", flatten)]
    twin: Option<TwinReport>,
}

#[derive(Debug, Serialize)]
struct TwinReport {
    twin_step_ms: f64,
    twin_product_gflops: f64,
    twin_peak_rss_bytes: u64,
    twin_torch: String,
    twin_threads: usize,
    /// The twin's time over ours: above 1 we are faster.
    ratio: f64,
}

pub fn run(args: &BenchTrainArgs) -> Result<(), Failure> {
    let size = args.size.model();
    let settings = ModelSettings {
        architecture: args.model.parse()?,
        width: args.width.unwrap_or(size.width),
        max_len: args.len.unwrap_or(size.max_len),
        seed: args.seed,
        ..size
    };
    settings.validate()?;
    backend::set_precision(args.precision)?;
    if args.batch == 0 || args.steps == 0 || args.rounds == 0 || args.items < 2 {
        return Err(Failure::user("--batch, --steps and --rounds must be 1 or more, and --items 2 or more"));
    }
    if args.twin.is_some() && settings.architecture != Architecture::Sasrec {
        return Err(Failure::user(format!(
            "--twin: the PyTorch twin is a SASRec, not {}; use --model sasrec",
            settings.architecture
        )));
    }
    let twin = args.twin.as_deref().map(|python| Twin::start(python, args, &settings)).transpose()?;
    let report = measure(args, settings, twin)?;
    match args.json {
        true => println!("{}", json!(report)),
        false => print(&report),
    }
    Ok(())
}

fn measure(
    args: &BenchTrainArgs,
    settings: ModelSettings,
    mut twin: Option<Twin>,
) -> Result<Report, Failure> {
    let (model, device) = (settings.architecture, backend::device()?);
    let setting = json!({
        "items": args.items, "batch": args.batch, "len": settings.max_len, "width": settings.width,
        "layers": settings.layers, "precision": args.precision, "positions": args.positions,
        "steps": args.steps * args.rounds, "rounds": args.rounds,
    });
    let mut trainee = Trainee::new(settings, args, backend::device()?);
    for _ in 0..WARM_UP {
        trainee.step()?;
    }
    let (mut steps, mut parts) = (Vec::new(), Vec::new());
    let (mut products, mut twins, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=args.rounds {
        let from = steps.len();
        for _ in 0..args.steps {
            let begun = Instant::now();
            parts.push(trainee.step()?);
            steps.push(begun.elapsed());
        }
        let own = median(steps[from..].iter().map(milliseconds));
        products.push(gflops(&device));
        let mut line = format!("round {round}: {own:.1} ms a step");
        if let Some(twin) = &mut twin {
            let other = twin.round()?;
            line += &format!(", the twin {:.1} ms", other.step_ms);
            ratios.push(other.step_ms / own);
            twins.push(other);
        }
        eprintln!("{line}");
    }
    let step_ms = median(steps.iter().map(milliseconds));
    let part = |of: fn(&PassTimes) -> Duration| {
        tenth(median(parts.iter().map(|(times, _)| milliseconds(&of(times)))))
    };
    let update = tenth(median(parts.iter().map(|(_, update)| milliseconds(update))));
    let twin = twins.last().map(|last| TwinReport {
        twin_step_ms: tenth(median(twins.iter().map(|twin| twin.step_ms))),
        twin_product_gflops: median(twins.iter().map(|twin| twin.gflops)).round(),
        twin_peak_rss_bytes: last.peak_bytes,
        twin_torch: last.torch.clone(),
        twin_threads: last.threads,
        ratio: (median(ratios.iter().copied()) * 100.0).round() / 100.0,
    });
    Ok(Report {
        model,
        backend: backend::NAME,
        threads: std::thread::available_parallelism()?.get(),
        setting,
        step_ms: tenth(step_ms),
        examples_per_s: (args.batch as f64 / step_ms * 1e3).round(),
        parts_ms: json!({
            "prepare": part(|times| times.prepare), "forward": part(|times| times.forward),
            "loss": part(|times| times.loss), "backward": part(|times| times.backward), "update": update,
        }),
        product_gflops: median(products.iter().copied()).round(),
        peak_rss_bytes: usage::peak_rss_bytes()?,
        loss: trainee.loss(),
        twin,
    })
}

fn print(report: &Report) {
    println!("{} on {}, {} threads: {}", report.model, report.backend, report.threads, report.setting);
    println!("a step        {:>8.1} ms, {:.0} examples/s", report.step_ms, report.examples_per_s);
    println!("its parts, ms {}", report.parts_ms);
    println!("products      {:>8.0} GFLOP/s of {SIZE}³", report.product_gflops);
    println!("memory        {:>8.0} MB at most", report.peak_rss_bytes as f64 / 1e6);
    if let Some(twin) = &report.twin {
        println!(
            "PyTorch {} on {} threads: {:.1} ms, {:.0} MB at most, products at {:.0} GFLOP/s; {:.2} times our time",
            twin.twin_torch,
            twin.twin_threads,
            twin.twin_step_ms,
            twin.twin_peak_rss_bytes as f64 / 1e6,
            twin.twin_product_gflops,
            twin.ratio
        );
    }
}
