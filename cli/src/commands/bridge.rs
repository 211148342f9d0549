//! `hmisr bridge`.

use std::collections::BTreeSet;
use std::sync::Arc;

use clap::Args;
use hmisr_feed::{Bridge, BridgeMetrics, BridgeSettings, Copied, Mapping, TopicTime};
use hmisr_serving::{Api, HttpServer, Metrics};
use hmisr_stream::{Delivery, SkipBatch, Transport};
use serde::Serialize;

use super::serve::registry;
use super::train::NoState;
use crate::brokers::BrokerArgs;
use crate::config::Config;
use crate::failure::Failure;
use crate::outcome::{Least, Outcome};

/// Arguments of `hmisr bridge`.
#[derive(Debug, Args)]
pub struct BridgeArgs {
    /// Where Kafka is.
    #[command(flatten)]
    kafka: BrokerArgs,
    /// The topic that is read.
    #[arg(long, value_name = "TOPIC")]
    from: Option<String>,
    /// How its records become events.
    #[command(flatten)]
    mapping: MappingArgs,
    /// Skip a batch that cannot be read, as the log and /readyz name it, such as 3:1234; repeatable.
    #[arg(long, value_name = "PARTITION:OFFSET")]
    skip_unreadable: Vec<SkipBatch>,
    /// Stop when everything was copied that is there.
    #[arg(long)]
    until_end: bool,
    /// Address of metrics and health.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8083")]
    listen: String,
    /// What must come of the input.
    #[command(flatten)]
    least: Least,
    /// Print what was copied as JSON.
    #[arg(long)]
    json: bool,
}

/// How records of another topic become events; each goes over its setting in [bridge].
#[derive(Debug, Default, Args)]
pub struct MappingArgs {
    /// Where a field of an event stands: user_id=/user/id (a JSON pointer), item_id=sku (a name),
    /// user_id=key: (the record's key), event_id=header:ce_id; fall-backs in order,
    /// user_id=userId,anonymousId. Repeatable.
    #[arg(long = "field", value_name = "FIELD=PLACE[,PLACE…]")]
    fields: Vec<String>,
    /// What a field is where a record does not have it, such as action=click; repeatable.
    #[arg(long = "default", value_name = "FIELD=VALUE")]
    defaults: Vec<String>,
    /// Only records in which one of these values stands at that place, such as /op=c,r; repeatable, then
    /// all must hold.
    #[arg(long, value_name = "PLACE=VALUE[,VALUE…]")]
    only: Vec<String>,
    /// One event for each element of this list, such as /items; ./sku is a place in the element.
    #[arg(long, value_name = "POINTER")]
    each: Option<String>,
    /// What the time is written in: s, ms, us, ns, rfc3339, yyyymmdd; record takes the record's own
    /// timestamp, auto decides once by the topic's first times.
    #[arg(long, value_name = "UNIT", value_parser = unit)]
    time_unit: Option<TopicTime>,
    /// The same by a pattern of strptime, such as '%d/%m/%Y %H:%M'.
    #[arg(long, value_name = "PATTERN", value_parser = pattern, conflicts_with = "time_unit")]
    time_format: Option<TopicTime>,
}

fn unit(text: &str) -> Result<TopicTime, String> {
    text.parse()
}

fn pattern(text: &str) -> Result<TopicTime, String> {
    match text.contains('%') {
        true => text.parse(),
        false => {
            Err("it is a pattern of strptime, such as '%d/%m/%Y %H:%M'; units are given by --time-unit"
                .into())
        }
    }
}

pub fn run(config: Config, args: BridgeArgs) -> Result<(), Failure> {
    let settings = settings(&config, &args)?;
    let mapping = Mapping::new(&settings)?.with_min_ts_ms(config.features.min_ts_ms);
    let kafka = args.kafka.kafka(config.kafka.clone());
    kafka.accept_session()?;
    let stop = crate::stop::on_signal()?;
    let registry = registry()?;
    let metrics = BridgeMetrics::new(&registry)?;
    let source = kafka.source(&settings.topic, &settings.group)?;
    let http = hmisr_serving::Settings { listen: args.listen, ..config.serving };
    let served = Arc::new(Metrics::new(&registry)?);
    let router = Api::new(http.clone(), registry.clone(), served.clone(), Arc::new(NoState("bridge")))?
        .with_check("reading", {
            let waits = metrics.waits().clone();
            move || waits.check()
        });
    let server = HttpServer::start(router.router(), http, served, stop.clone())?;
    eprintln!(
        "copying {} into events over {}; metrics on {}/metrics",
        settings.topic,
        kafka.describe(),
        server.url()
    );
    let sink = || kafka.sink(&settings.transactional_id, Delivery::ExactlyOnce);
    let copied = Bridge::new(mapping, source, &sink, &metrics)
        .with_partitioner(config.topics.partitioner)
        .skipping(&settings.skip_unreadable)
        .run(&stop, args.until_end);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    server.join()?;
    let copied = copied?;
    let refused = copied.rejections.total();
    let letters: u64 = copied.dead_letters.values().sum();
    let used = copied.records.saturating_sub(copied.skipped + refused);
    let outcome = Outcome::new("records", "copied", used, &copied.rejections);
    if args.json {
        let report = Report { copied: &copied, outcome: &outcome };
        println!("{}", serde_json::to_string(&report).map_err(|error| Failure::fault(&error))?);
    } else {
        println!(
            "{} records: {} events, {letters} dead letters, {} skipped",
            copied.records, copied.events, copied.skipped
        );
        if let Some(times) = &copied.times {
            println!("times, read as {}: {} to {}", times.unit, times.first, times.last);
        }
        outcome.warn(args.least);
    }
    // Of a few records since the last run it says nothing.
    let is_judged = args.until_end && copied.begins && args.least.min_applied > 0.0;
    if is_judged && copied.skipped > 0 && copied.skipped == copied.records {
        return Err(Failure::user(format!(
            "none of {} records became an event: all were passed over, by --only{} or as an empty list of --each; \
             look at a record of {}, or say --min-applied 0 where that is as it should be",
            copied.records,
            settings.only.iter().map(|only| format!(" {only}")).collect::<String>(),
            settings.topic,
        )));
    }
    outcome.judge(
        args.least,
        "; `hmisr dlq list --brokers …` shows what was rejected, docs/bridge.md how to map it",
    )
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    copied: &'a Copied,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

/// What is configured, with the command line's over it.
fn settings(config: &Config, args: &BridgeArgs) -> Result<BridgeSettings, Failure> {
    let mut settings = config.bridge.clone();
    settings.skip_unreadable.extend(&args.skip_unreadable);
    settings.topic = args.from.clone().unwrap_or(settings.topic);
    if settings.topic.is_empty() {
        return Err(Failure::user("--from: name the topic that is read, here or as bridge.topic"));
    }
    args.mapping.over(&mut settings)?;
    Ok(settings)
}

impl MappingArgs {
    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        let Self { fields, defaults, only, each, time_unit, time_format } = self;
        let lists = [fields, defaults, only].iter().all(|list| list.is_empty());
        lists && each.is_none() && time_unit.is_none() && time_format.is_none()
    }

    /// Puts these over what is configured, and checks the whole.
    pub fn over(&self, settings: &mut BridgeSettings) -> Result<(), Failure> {
        let time = self.time_unit.as_ref().or(self.time_format.as_ref());
        settings.time_unit = time.unwrap_or(&settings.time_unit).clone();
        settings.each = self.each.as_ref().unwrap_or(&settings.each).clone();
        if !self.only.is_empty() {
            settings.only.clone_from(&self.only);
        }
        let mut seen = BTreeSet::new();
        for pair in &self.fields {
            let (field, places) = split("--field", pair)?;
            let Some(known) = settings.fields.named(field) else {
                return Err(Failure::user(format!(
                    "--field {pair}: an event has user_id, item_id, category, action, ts, weight, is_tail, request_id and event_id"
                )));
            };
            // A field given again names fall-backs.
            match seen.insert(field) {
                true => *known = places.into(),
                false => known.extend(places.into()),
            }
        }
        for pair in &self.defaults {
            match split("--default", pair)? {
                ("action", value) => value.clone_into(&mut settings.defaults.action),
                ("category", value) => value.clone_into(&mut settings.defaults.category),
                _ => {
                    return Err(Failure::user(format!(
                        "--default {pair}: there are defaults of action and category"
                    )));
                }
            }
        }
        Ok(settings.validate()?)
    }
}

fn split<'a>(option: &str, pair: &'a str) -> Result<(&'a str, &'a str), Failure> {
    pair.split_once('=')
        .ok_or_else(|| Failure::user(format!("{option} {pair}: expected FIELD=…, such as user_id=/user/id")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use hmisr_stream::{Header, Record};
    use serde_json::Value;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: BridgeArgs,
    }

    /// A mapping as the command line gives it.
    fn mapping(words: &[&str]) -> Result<Mapping, String> {
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        let settings = settings(&Config::default(), &line.args).map_err(|failure| failure.to_string())?;
        Mapping::new(&settings).map_err(|error| error.to_string())
    }

    /// The words of a command in the documents.
    fn words(command: &str) -> Vec<String> {
        let joined = command.replace("\\\n", " ");
        let mut words = Vec::new();
        for (at, part) in joined.split('"').enumerate() {
            match at % 2 {
                0 => words.extend(part.split_whitespace().map(str::to_owned)),
                _ => words.push(part.to_owned()),
            }
        }
        words
    }

    /// A record's payload, with a key and headers where lines before it name them.
    fn records(block: &str) -> Vec<Record> {
        let (mut key, mut headers, mut json) = (None, Vec::new(), String::new());
        for line in block.lines() {
            if let Some(text) = line.strip_prefix("key ") {
                key = Some(text.as_bytes().to_vec());
            } else if let Some((name, value)) =
                line.strip_prefix("header ").and_then(|rest| rest.split_once(' '))
            {
                headers.push(Header::new(name, value));
            } else {
                json.push_str(line);
                json.push('\n');
            }
        }
        let documents = serde_json::Deserializer::from_str(&json).into_iter::<Value>();
        let record = |payload: Value| Record {
            partition: 0,
            offset: 0,
            timestamp_ms: 0,
            key: key.clone(),
            payload: Some(payload.to_string().into_bytes()),
            headers: headers.clone(),
        };
        documents.map(|document| record(document.unwrap())).collect()
    }

    /// The fenced blocks of a section.
    fn blocks(section: &str) -> Vec<String> {
        let inside = section.split("```").skip(1).step_by(2);
        inside.map(|block| block.split_once('\n').unwrap().1.to_owned()).collect()
    }

    #[test]
    fn the_documents_examples_give_the_events_that_they_show() {
        let page = include_str!("../../../docs/bridge.md");
        let examples = page.split("## Worked examples").nth(1).unwrap().split("\n## ").next().unwrap();
        let mut seen = Vec::new();
        for section in examples.split("\n### ").skip(1) {
            let name = section.lines().next().unwrap();
            let [input, command, output] = blocks(section).try_into().unwrap();
            let words = words(&command);
            assert_eq!(words[..2], ["hmisr", "bridge"], "{name}");
            let words: Vec<&str> = words[1..].iter().map(String::as_str).collect();
            let mut mapping = mapping(&words).unwrap_or_else(|error| panic!("{name}: {error}"));
            let records = records(&input);
            mapping.learn(&records).unwrap();
            let mut events = Vec::new();
            for record in &records {
                let mapped = mapping.events(record).unwrap_or_else(|refused| panic!("{name}: {refused:?}"));
                events.extend(mapped.events.iter().map(|event| serde_json::to_value(event).unwrap()));
            }
            let expected: Vec<Value> =
                output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(events, expected, "{name}");
            seen.push(name);
        }
        for name in ["Segment", "GA4", "Snowplow", "CloudEvents", "Debezium"] {
            assert!(seen.iter().any(|section| section.starts_with(name)), "{name}");
        }
    }

    #[test]
    fn options_go_over_settings_and_repeated_fields_are_fall_backs() {
        let line =
            |words: &[&str]| Line::try_parse_from([&["bridge", "--from", "t"], words].concat()).unwrap();
        let mut config = Config::default();
        config.bridge.fields.user_id = "/configured".into();
        config.bridge.only = vec!["/a=1".into()];
        let kept = settings(&config, &line(&[]).args).unwrap();
        assert_eq!((kept.fields.user_id, kept.only.len()), ("/configured".into(), 1));
        let given =
            line(&["--field", "user_id=a", "--field", "user_id=b,key:", "--only", "/b=2", "--only", "/c=3"]);
        let given = settings(&config, &given.args).unwrap();
        assert_eq!((given.fields.user_id, given.only.len()), ("a,b,key:".into(), 2));
        let by_pattern = settings(&config, &line(&["--time-format", "%d/%m/%Y"]).args).unwrap();
        assert_eq!(by_pattern.time_unit.to_string(), "%d/%m/%Y");
    }

    #[test]
    fn options_that_cannot_work_name_themselves() {
        for (option, value, told) in [
            ("--field", "user=1", "--field user=1"),
            ("--field", "user_id", "FIELD="),
            ("--default", "ts=1", "--default ts=1"),
            ("--only", "/op", "bridge.only"),
            ("--each", "items", "bridge.each"),
            ("--time-unit", "hours", "yyyymmdd"),
            ("--time-format", "hours", "strptime"),
            ("--time-format", "%H:%M", "date"),
        ] {
            let error = mapping(&["bridge", "--from", "t", option, value]).unwrap_err();
            assert!(error.contains(told), "{option} {value}: {error}");
        }
        assert!(mapping(&["bridge"]).unwrap_err().contains("--from"));
    }
}
