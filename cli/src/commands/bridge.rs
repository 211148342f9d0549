//! `hmisr bridge`.

use std::collections::BTreeSet;
use std::sync::Arc;

use clap::Args;
use hmisr_feed::{Bridge, BridgeMetrics, BridgeSettings, Mapping, TopicTime};
use hmisr_pipeline::Delivery;
use hmisr_serving::{Api, HttpServer, Metrics};

use super::serve::registry;
use super::topics::at;
use super::train::NoState;
use crate::config::Config;
use crate::failure::Failure;
use crate::transport::{Kafka, Transport};

/// Arguments of `hmisr bridge`.
#[derive(Debug, Args)]
pub struct BridgeArgs {
    /// Kafka brokers, host:port[,…].
    #[arg(long, value_name = "HOST:PORT")]
    brokers: Option<String>,
    /// The topic that is read.
    #[arg(long, value_name = "TOPIC")]
    from: Option<String>,
    /// How its records become events.
    #[command(flatten)]
    mapping: MappingArgs,
    /// Stop when everything was copied that is there.
    #[arg(long)]
    until_end: bool,
    /// Address of metrics and health.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8083")]
    listen: String,
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
        false => Err("it is a pattern of strptime, such as '%d/%m/%Y %H:%M'; units are given by --time-unit".into()),
    }
}

pub fn run(config: Config, args: BridgeArgs) -> Result<(), Failure> {
    let settings = settings(&config, &args)?;
    let mapping = Mapping::new(&settings)?;
    let kafka = Kafka(at(config.kafka.clone(), args.brokers));
    let stop = crate::stop::on_signal()?;
    let registry = registry()?;
    let metrics = BridgeMetrics::new(&registry)?;
    let source = kafka.source(&settings.topic, &settings.group)?;
    let http = hmisr_serving::Settings { listen: args.listen, ..config.serving };
    let router = Api::new(
        http.clone(),
        registry.clone(),
        Arc::new(Metrics::new(&registry)?),
        Arc::new(NoState("bridge")),
    )?;
    let server = HttpServer::start(router.router(), http, stop.clone())?;
    eprintln!(
        "copying {} into events over {}; metrics on {}/metrics",
        settings.topic,
        kafka.describe(),
        server.url()
    );
    let sink = || kafka.sink(&settings.transactional_id, Delivery::ExactlyOnce);
    let copied = Bridge::new(mapping, source, &sink, &metrics).run(&stop, args.until_end);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    server.join()?;
    let copied = copied?;
    if args.json {
        println!("{}", serde_json::to_string(&copied).map_err(|error| Failure::fault(&error))?);
        return Ok(());
    }
    let refused: u64 = copied.dead_letters.values().sum();
    println!(
        "{} records: {} events, {} records skipped, {refused} dead letters",
        copied.records, copied.events, copied.skipped
    );
    if let Some(times) = &copied.times {
        println!("times, read as {}: {} to {}", times.unit, times.first, times.last);
    }
    Ok(())
}

/// What is configured, with the command line's over it.
fn settings(config: &Config, args: &BridgeArgs) -> Result<BridgeSettings, Failure> {
    let mut settings = config.bridge.clone();
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
