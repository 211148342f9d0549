//! `hmisr feed`: events of a file or of the generator, into `events` on Kafka.

use std::path::PathBuf;

use clap::Args;
use hmisr_features::FeatureSettings;
use hmisr_feed::{
    Cut, EventLine, EventLog, EventSource, FeedError, FeedIdentity, FeedMetrics, Feeder, GroundTruth, Place,
};
use hmisr_pipeline::{PipelineSettings, plausible};
use hmisr_stream::contract::{Event, Example, Reason, Rejections};
use serde::Serialize;

use super::serve::registry;
use crate::brokers::BrokerArgs;
use crate::config::Config;
use crate::failure::Failure;
use crate::input::FedFrom;
use crate::outcome::{Least, Outcome};

/// Arguments of `hmisr feed`.
#[derive(Debug, Args)]
pub struct FeedArgs {
    /// Where Kafka is.
    #[command(flatten)]
    pub kafka: BrokerArgs,
    /// Folder that keeps what the topic is fed from; another input takes another topic.
    #[arg(long, value_name = "DIR", default_value = "hmisr-data")]
    pub data: PathBuf,
    /// What is fed.
    #[command(flatten)]
    pub feed: FedFrom,
    /// What must come of the input.
    #[command(flatten)]
    pub least: Least,
    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The summary in JSON.
#[derive(Serialize)]
struct Report<'a> {
    events_fed: u64,
    events_in_log_before: u64,
    input_finished: bool,
    #[serde(flatten)]
    outcome: &'a Outcome,
    /// How a data set was understood, and which of its rows are no events.
    #[serde(skip_serializing_if = "Option::is_none")]
    reading: Option<&'a hmisr_datasets::Summary>,
}

pub fn run(config: Config, args: FeedArgs) -> Result<(), Failure> {
    let mut settings = config.feed;
    args.feed.apply(&mut settings, args.feed.generate.is_some(), false)?;
    let source = settings.open_source()?;
    let reading = source.summary();
    crate::reading::accept(reading.as_ref(), args.least)?;
    crate::reading::tell_of_actions(reading.as_ref(), &config.pipeline.positive_actions);
    let positive_actions = config.pipeline.positive_actions.clone();
    let mut source = Checked::new(source, config.features, config.pipeline);
    let mut feeder = Feeder::new(&settings, FeedMetrics::new(&registry()?)?)?
        .with_partitioner(config.topics.partitioner)
        .with_truth_file(args.data.join("ground-truth.json"));
    let stop = crate::stop::on_signal()?;
    let mut writer = args.kafka.kafka(config.kafka).writer()?;
    let ends = writer.ends()?;
    // Only here: whoever has no topic yet is left no folder.
    std::fs::create_dir_all(&args.data)
        .map_err(|error| Failure::user(format!("--data {}: {error}", args.data.display())))?;
    FeedIdentity::of(&source, ends.len() as i32)
        .with_partitioner(config.topics.partitioner)
        .claim(&args.data.join("feed.json"), &ends)?;
    let fed = feeder.run(&mut source, writer.as_mut(), &mut || u64::MAX, &stop)?;
    crate::reading::tell_of_choices(source.events, source.choices, reading.as_ref(), &positive_actions);
    let outcome = Outcome::new("events", "valid", source.events, &source.rejections);
    if args.json {
        let report = Report {
            events_fed: fed.fed,
            events_in_log_before: fed.skipped,
            input_finished: fed.finished,
            outcome: &outcome,
            reading: reading.as_ref(),
        };
        println!("{}", serde_json::to_string(&report).map_err(|error| Failure::fault(&error))?);
    } else {
        println!("{} events were written, {} were there before", fed.fed, fed.skipped);
        outcome.warn(args.least);
    }
    outcome.judge(args.least, "; what was written becomes dead letters of the job")
}

/// A source whose lines are looked at as the job will: what is no event is fed all the same, and becomes
/// a dead letter there, but whoever feeds it should know.
struct Checked {
    source: Box<dyn EventSource>,
    features: FeatureSettings,
    pipeline: PipelineSettings,
    lines: u64,
    events: u64,
    /// Of them those that the job learns from.
    choices: u64,
    rejections: Rejections,
}

impl Checked {
    fn new(source: Box<dyn EventSource>, features: FeatureSettings, pipeline: PipelineSettings) -> Self {
        let rejections = Rejections::default();
        Self { source, features, pipeline, lines: 0, events: 0, choices: 0, rejections }
    }

    /// Whether the job takes a line, as far as the line alone tells; then also whether it counts.
    fn check(&self, payload: &[u8]) -> Result<bool, (Reason, String)> {
        let event = Event::decode(payload)?;
        match plausible::refusal(&self.features, event.ts) {
            Some(message) => Err((Reason::ImplausibleTime, message)),
            None => Ok(self.pipeline.is_choice(&event)),
        }
    }
}

impl EventSource for Checked {
    fn next(&mut self) -> Option<Result<EventLine, FeedError>> {
        let next = self.source.next()?;
        if let Ok(line) = &next {
            self.lines += 1;
            match self.check(&line.payload) {
                Ok(is_choice) => {
                    self.events += 1;
                    self.choices += u64::from(is_choice);
                }
                Err((reason, message)) => self.rejections.add(reason.as_str(), || {
                    let counted = || format!("event {}", self.lines);
                    let place = self.source.place().map_or_else(counted, |place| place.to_string());
                    match self.source.written() {
                        Some(written) => written.example(place, reason, &message),
                        None => Example::at(place, &line.payload, &message),
                    }
                }),
            }
        }
        Some(next)
    }

    fn total(&self) -> Option<u64> {
        self.source.total()
    }

    fn share_read(&self) -> Option<f64> {
        self.source.share_read()
    }

    fn fingerprint(&self) -> String {
        self.source.fingerprint()
    }

    fn describe(&self) -> String {
        self.source.describe()
    }

    fn place(&self) -> Option<Place> {
        self.source.place()
    }

    fn cut(&self) -> Option<Cut> {
        self.source.cut()
    }

    fn truth(&self) -> Option<GroundTruth> {
        self.source.truth()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_another_time_is_not_called_valid() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e.jsonl");
        let event = |ts: i64| format!(r#"{{"user_id":1,"item_id":2,"category":3,"action":"a","ts":{ts}}}"#);
        let lines = [event(1_764_000_000_000), event(5), event(9_764_000_000_000), "nonsense".to_owned()];
        std::fs::write(&path, lines.join("\n")).unwrap();
        let source = hmisr_feed::open(&path, Default::default(), &Default::default()).unwrap();
        let mut source = Checked::new(source, FeatureSettings::default(), PipelineSettings::default());
        while source.next().is_some() {}
        assert_eq!((source.events, source.choices), (1, 0));
        let told: Vec<String> = source
            .rejections
            .by_frequency()
            .iter()
            .map(|one| format!("{} {} {}", one.count, one.reason, one.example))
            .collect();
        assert!(told[0].starts_with("2 implausible_time ") && told[0].contains("e.jsonl:2"), "{told:?}");
        assert!(told[0].contains("1970-01-01T00:00:05Z as seconds"), "{told:?}");
        assert_eq!(told.len(), 2, "{told:?}");
    }
}
