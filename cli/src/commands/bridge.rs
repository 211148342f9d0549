//! `hmisr bridge`.

use std::sync::Arc;

use clap::{Args, ValueEnum};
use hmisr_feed::{Bridge, BridgeMetrics, BridgeSettings, TimeUnit};
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
    /// Where a field of an event stands in a record, such as user_id=/user/id; repeatable.
    #[arg(long = "field", value_name = "FIELD=PLACE")]
    fields: Vec<String>,
    /// What a field is where a record does not have it, such as action=click; repeatable.
    #[arg(long = "default", value_name = "FIELD=VALUE")]
    defaults: Vec<String>,
    /// What the time is written in; record takes the record's own timestamp.
    #[arg(long, value_name = "UNIT")]
    time_unit: Option<Unit>,
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

/// [`TimeUnit`] on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Unit {
    S,
    Ms,
    Us,
    Ns,
    Rfc3339,
    Record,
}

impl From<Unit> for TimeUnit {
    fn from(unit: Unit) -> Self {
        match unit {
            Unit::S => Self::S,
            Unit::Ms => Self::Ms,
            Unit::Us => Self::Us,
            Unit::Ns => Self::Ns,
            Unit::Rfc3339 => Self::Rfc3339,
            Unit::Record => Self::Record,
        }
    }
}

pub fn run(config: Config, args: BridgeArgs) -> Result<(), Failure> {
    let settings = settings(&config, &args)?;
    let kafka = Kafka(at(config.kafka.clone(), args.brokers));
    let stop = crate::stop::on_signal()?;
    let registry = registry()?;
    let metrics = BridgeMetrics::new(&registry)?;
    let source = kafka.source(&settings.topic, &settings.group)?;
    let http = hmisr_serving::Settings { listen: args.listen, ..config.serving };
    let served = Arc::new(Metrics::new(&registry)?);
    let router = Api::new(http.clone(), registry.clone(), served.clone(), Arc::new(NoState("bridge")))?;
    let server = HttpServer::start(router.router(), http, served, stop.clone())?;
    eprintln!(
        "copying {} into events over {}; metrics on {}/metrics",
        settings.topic,
        kafka.describe(),
        server.url()
    );
    let sink = || kafka.sink(&settings.transactional_id, Delivery::ExactlyOnce);
    let copied = Bridge::new(&settings, source, &sink, &metrics).run(&stop, args.until_end);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    server.join()?;
    let copied = copied?;
    if args.json {
        println!("{}", serde_json::to_string(&copied).map_err(|error| Failure::fault(&error))?);
        return Ok(());
    }
    let refused: u64 = copied.dead_letters.values().sum();
    println!("{} records became events, {refused} dead letters", copied.events);
    Ok(())
}

/// What is configured, with the command line's over it.
fn settings(config: &Config, args: &BridgeArgs) -> Result<BridgeSettings, Failure> {
    let mut settings = config.bridge.clone();
    settings.topic = args.from.clone().unwrap_or(settings.topic);
    settings.time_unit = args.time_unit.map_or(settings.time_unit, TimeUnit::from);
    for pair in &args.fields {
        let (field, place) = split("--field", pair)?;
        let fields = &mut settings.fields;
        *match field {
            "user_id" => &mut fields.user_id,
            "item_id" => &mut fields.item_id,
            "category" => &mut fields.category,
            "action" => &mut fields.action,
            "ts" => &mut fields.ts,
            "weight" => &mut fields.weight,
            "is_tail" => &mut fields.is_tail,
            "request_id" => &mut fields.request_id,
            "event_id" => &mut fields.event_id,
            _ => {
                return Err(Failure::user(format!(
                    "--field {pair}: an event has user_id, item_id, category, action, ts, weight, is_tail, request_id and event_id"
                )));
            }
        } = place.to_owned();
    }
    for pair in &args.defaults {
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
    if settings.topic.is_empty() {
        return Err(Failure::user("--from: name the topic that is read, here or as bridge.topic"));
    }
    settings.validate()?;
    Ok(settings)
}

fn split<'a>(option: &str, pair: &'a str) -> Result<(&'a str, &'a str), Failure> {
    pair.split_once('=')
        .ok_or_else(|| Failure::user(format!("{option} {pair}: expected FIELD=…, such as user_id=/user/id")))
}
