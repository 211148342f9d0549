//! Arguments of `hmisr dlq`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use hmisr_stream::contract::Reason;

use crate::brokers::BrokerArgs;
use crate::commands::bridge::MappingArgs;

/// Commands about dead letters: the events that could not be processed, on the topic `events-dlq`.
#[derive(Debug, Subcommand)]
pub enum DlqCommand {
    /// List dead letters, and count them by reason.
    ///
    /// Over the embedded log it reads what was committed when it began, also beside a running
    /// `hmisr up`.
    List(DlqListArgs),
    /// Send dead letters back to `events` as they came, each at most once.
    ///
    /// For when what refused them has been changed, a setting for example; an event that is refused
    /// again becomes another letter. A letter goes in the order in which it came, with a header
    /// that names it. How far it came is committed together with the events, per reason: the
    /// next run goes on there, whatever ended this one. Over the embedded log no `hmisr up` may run.
    Replay(DlqReplayArgs),
}

/// Which letters.
#[derive(Debug, Args)]
#[command(mut_arg("brokers", |it| it.help("Kafka brokers, host:port[,…], instead of a data folder")))]
pub struct DlqFrom {
    /// Data folder of `hmisr up`, whose embedded log is read.
    #[arg(long, value_name = "DIR", default_value = "hmisr-data", conflicts_with = "brokers")]
    pub data: PathBuf,
    /// Where Kafka is.
    #[command(flatten)]
    pub kafka: BrokerArgs,
    /// Only letters of this reason, such as late or too_many_categories; repeatable.
    #[arg(long = "reason", value_name = "REASON", value_parser = reason)]
    pub reasons: Vec<Reason>,
    /// Only this partition of the topic `events-dlq`.
    #[arg(long, value_name = "P")]
    pub partition: Option<i32>,
    /// At most so many letters.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Print JSON; `list` prints a line for each letter.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `hmisr dlq list`.
#[derive(Debug, Args)]
pub struct DlqListArgs {
    /// Which letters.
    #[command(flatten)]
    pub from: DlqFrom,
    /// Only events of this time or later: 2026-01-31T12:00:00Z, epoch milliseconds, or 2h for two
    /// hours ago.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub since: Option<i64>,
    /// Only events before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<i64>,
    /// Print payloads whole.
    #[arg(long)]
    pub full: bool,
    /// Print only how many there are, by reason.
    #[arg(long)]
    pub summary: bool,
}

/// Arguments of `hmisr dlq replay`.
#[derive(Debug, Args)]
pub struct DlqReplayArgs {
    /// Which letters.
    #[command(flatten)]
    pub from: DlqFrom,
    /// Only say what would be sent.
    #[arg(long)]
    pub dry_run: bool,
    /// Instead of letters of `events`, those of this topic, which `hmisr bridge` reads: they go through
    /// its mapping again.
    #[arg(long = "from", value_name = "TOPIC", requires = "brokers")]
    pub topic: Option<String>,
    /// The mapping, with --from.
    #[command(flatten)]
    pub mapping: MappingArgs,
}

fn reason(text: &str) -> Result<Reason, String> {
    let reasons = || Reason::ALL.map(Reason::as_str).join(", ");
    Reason::parse(text).ok_or_else(|| format!("it is one of {}", reasons()))
}

/// A time as epoch milliseconds.
fn time(text: &str) -> Result<i64, String> {
    let of = |time: std::time::SystemTime| {
        let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    };
    if let Ok(ms) = text.parse() {
        return Ok(ms);
    }
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(of(std::time::SystemTime::now().checked_sub(ago).unwrap_or(std::time::UNIX_EPOCH)));
    }
    humantime::parse_rfc3339_weak(text)
        .map(of)
        .map_err(|_| "expected 2026-01-31T12:00:00Z, epoch milliseconds, or a time ago such as 2h".to_owned())
}
