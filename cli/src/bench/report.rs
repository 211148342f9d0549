//! Medians over the rounds, for machines and for people.

use serde_json::{Value, json};

use super::args::BenchPipelineArgs;
use super::phase::{Figures, Phase};

pub struct Report {
    source: &'static str,
    setting: Value,
    rounds: Vec<(Phase, Figures)>,
    latency: Option<(f64, Figures)>,
}

impl Report {
    pub fn new(args: &BenchPipelineArgs, rounds: Vec<(Phase, Figures)>) -> Self {
        let setting = json!({
            "events": args.events, "users": args.users, "partitions": args.partitions, "rounds": args.rounds,
        });
        let source = if args.kafka.brokers.is_some() { "kafka" } else { "embedded-log" };
        Self { source, setting, rounds, latency: None }
    }

    pub fn with_latency(self, rate: f64, figures: Figures) -> Self {
        Self { latency: Some((rate, figures)), ..self }
    }

    pub fn exactly_once_eps(&self) -> f64 {
        self.median(Phase::ExactlyOnce, Figures::eps)
    }

    fn median(&self, phase: Phase, of: impl Fn(&Figures) -> f64) -> f64 {
        let mut values: Vec<f64> = self
            .rounds
            .iter()
            .filter(|(measured, _)| *measured == phase)
            .map(|(_, figures)| of(figures))
            .collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    }

    /// As documented in docs/performance.md.
    fn json(&self) -> Value {
        let eps = |phase| self.median(phase, Figures::eps).round();
        let cores = |phase| (self.median(phase, Figures::cores) * 100.0).round() / 100.0;
        let per_core = |phase| self.median(phase, |figures| figures.events as f64 / figures.cpu_s).round();
        let written = |phase| {
            self.median(phase, |figures| figures.state_bytes_written as f64 / figures.events as f64).round()
        };
        let exactly = Phase::ExactlyOnce;
        let each = |of: &dyn Fn(Phase) -> f64| -> Value {
            Phase::THROUGHPUT
                .iter()
                .map(|phase| (phase.name().replace('-', "_"), json!(of(*phase))))
                .collect()
        };
        let mut report = json!({
            "source": self.source,
            "setting": self.setting,
            "cores": cores(exactly),
            "ceiling_eps": eps(Phase::Ceiling),
            "at_least_once_eps": eps(Phase::AtLeastOnce),
            "exactly_once_eps": eps(exactly),
            "exactly_once_cold_eps": eps(Phase::ExactlyOnceCold),
            "with_examples_eps": eps(Phase::WithExamples),
            "cores_by_phase": each(&cores),
            "eps_per_core": each(&per_core),
            "ratio": {
                "exactly_once_to_ceiling": self.ratio(exactly, Phase::Ceiling),
                "exactly_once_to_at_least_once": self.ratio(exactly, Phase::AtLeastOnce),
            },
            "bytes_written_per_event": written(exactly),
            "bytes_written_per_event_cold": written(Phase::ExactlyOnceCold),
            "peak_rss_bytes": self.median(exactly, |figures| figures.peak_rss_bytes as f64),
            "peak_rss_bytes_cold": self.median(Phase::ExactlyOnceCold, |figures| figures.peak_rss_bytes as f64),
            "cold_users": self.median(Phase::ExactlyOnceCold, |figures| figures.users_before as f64),
        });
        if let Some((rate, figures)) = &self.latency {
            let [p50, p99, p999] = figures.latency_ms;
            report["latency_ms"] = json!({"p50": p50, "p99": p99, "p999": p999});
            report["latency_eps"] = json!(rate.round());
        }
        report
    }

    /// Median of the rounds' ratios of events per CPU second: what else the machine does weighs on
    /// both alike.
    fn ratio(&self, phase: Phase, to: Phase) -> f64 {
        let per_cpu = |wanted: Phase| {
            let of = move |(measured, figures): &(Phase, Figures)| {
                (*measured == wanted).then(|| figures.events as f64 / figures.cpu_s)
            };
            self.rounds.iter().filter_map(of)
        };
        let mut ratios: Vec<f64> = per_cpu(phase).zip(per_cpu(to)).map(|(a, b)| a / b).collect();
        ratios.sort_by(f64::total_cmp);
        ratios.get(ratios.len() / 2).map_or(0.0, |ratio| (ratio * 1000.0).round() / 1000.0)
    }

    pub fn print(&self, json: bool) {
        let report = self.json();
        if json {
            println!("{report}");
            return;
        }
        println!(
            "{} over {}, medians of {} rounds",
            self.setting["events"], self.source, self.setting["rounds"]
        );
        println!("{:<22} {:>12} {:>8} {:>14}", "", "events/s", "cores", "events/s/core");
        for phase in Phase::THROUGHPUT {
            let name = phase.name().replace('-', "_");
            println!(
                "{:<22} {:>12} {:>8} {:>14}",
                phase.name(),
                report[format!("{name}_eps")],
                report["cores_by_phase"][&name],
                report["eps_per_core"][&name]
            );
        }
        for field in [
            "ratio",
            "latency_eps",
            "latency_ms",
            "bytes_written_per_event",
            "bytes_written_per_event_cold",
            "peak_rss_bytes",
            "peak_rss_bytes_cold",
            "cold_users",
        ] {
            println!("{field}: {}", report[field]);
        }
    }
}
