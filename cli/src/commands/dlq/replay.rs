//! `hmisr dlq replay`: the original bytes go back to `events`, each letter at most once.
//!
//! Per reason a group of its own keeps, by partition, which letter comes next. Its offset is
//! committed in the transaction that holds the replayed events: both are there, or neither.

use std::collections::BTreeMap;

use hmisr_pipeline::Delivery;
use hmisr_stream::contract::{Letter, REPLAYED_FROM, Reason, topic};
use hmisr_stream::{Header, Outgoing, Record, Sink, Source, partition_for_key};
use serde::Serialize;

use super::list::{place, print_json};
use super::to_end::ToEnd;
use crate::args::DlqReplayArgs;
use crate::failure::Failure;
use crate::transport::{REPLAY, Transport};

/// What a run did, or would do.
#[derive(Debug, Default, Serialize)]
struct Tally {
    dry_run: bool,
    replayed: u64,
    by_reason: BTreeMap<&'static str, u64>,
    /// Letters that were cut for their size: the whole event is not there any more.
    refused_cut: u64,
    /// Letters of another topic, and records that are no letters.
    refused_foreign: u64,
}

/// Where each reason goes on.
struct Marks<S> {
    groups: Vec<(Reason, S)>,
    next: BTreeMap<(Reason, i32), i64>,
}

impl<S: Source> Marks<S> {
    fn read<T: Transport<Source = S>>(transport: &T, reasons: &[Reason]) -> Result<Self, Failure> {
        let (mut groups, mut next) = (Vec::new(), BTreeMap::new());
        for &reason in reasons {
            let mut source = transport.source(topic::DEAD_LETTERS, &format!("{REPLAY}-{reason}"))?;
            for partition in 0..source.topic().partitions {
                let mark = source.committed(partition)?.unwrap_or(0);
                let end = if mark > 0 { source.bounds(partition)?.1 } else { 0 };
                if mark > end {
                    return Err(Failure::user(format!(
                        "the group {REPLAY}-{reason} is at {}, and the partition ends at {end}: {} was made anew; reset the group (kafka-consumer-groups.sh --reset-offsets)",
                        place(topic::DEAD_LETTERS, partition, mark),
                        topic::DEAD_LETTERS,
                    )));
                }
                next.insert((reason, partition), mark);
            }
            groups.push((reason, source));
        }
        Ok(Self { groups, next })
    }

    /// The first offset that any reason has yet to decide.
    fn first(&self, partition: i32) -> i64 {
        let of = |(reason, _): &(Reason, S)| self.next.get(&(*reason, partition)).copied().unwrap_or(0);
        self.groups.iter().map(of).min().unwrap_or(0)
    }

    /// Whether the letter at that place is still to be decided.
    fn awaits(&self, reason: Reason, record: &Record) -> bool {
        self.next.get(&(reason, record.partition)).is_some_and(|next| record.offset >= *next)
    }

    /// Whether no reason has come to that place.
    fn is_new(&self, record: &Record) -> bool {
        let of = |(reason, _): &(Reason, S)| self.awaits(*reason, record);
        self.groups.iter().all(of)
    }

    /// Moves every reason to `offsets`, in memory.
    fn advance(&mut self, offsets: &BTreeMap<i32, i64>) {
        for ((_, partition), next) in &mut self.next {
            *next = (*next).max(offsets.get(partition).copied().unwrap_or(0));
        }
    }
}

pub fn run<T: Transport>(transport: &T, args: &DlqReplayArgs) -> Result<(), Failure> {
    let mut reasons = args.from.reasons.clone();
    if reasons.is_empty() {
        reasons.extend(Reason::ALL);
    }
    reasons.sort_unstable();
    reasons.dedup();
    // The sink first: it fences a replay that is still under way, before the marks are read.
    let mut sink = if args.dry_run { None } else { Some(transport.sink(REPLAY, Delivery::ExactlyOnce)?) };
    let mut marks = Marks::read(transport, &reasons)?;
    let mut reader = ToEnd::new(transport.source(topic::DEAD_LETTERS, REPLAY)?, args.from.partition)?;
    let mut tally = Tally { dry_run: args.dry_run, ..Tally::default() };
    let mut more = true;
    while more && let Some(records) = reader.next(&|partition| marks.first(partition))? {
        let (mut events, mut decided) = (Vec::new(), BTreeMap::new());
        for record in &records {
            if args.from.limit.is_some_and(|limit| tally.replayed >= limit) {
                more = false;
                break;
            }
            decided.insert(record.partition, record.offset + 1);
            match Letter::read(record) {
                Err(_) => tally.refused_foreign += u64::from(marks.is_new(record)),
                Ok(letter) if !marks.awaits(letter.reason, record) => {}
                Ok(letter) if letter.topic != topic::EVENTS => tally.refused_foreign += 1,
                Ok(letter) if !letter.whole => tally.refused_cut += 1,
                Ok(letter) => {
                    tally.replayed += 1;
                    *tally.by_reason.entry(letter.reason.as_str()).or_default() += 1;
                    events.push(event(&letter));
                }
            }
        }
        marks.advance(&decided);
        if let Some(sink) = sink.as_mut().filter(|_| !decided.is_empty()) {
            send(transport, sink, events, &decided, &marks, &reader)?;
        }
    }
    if args.from.json {
        return print_json(&mut std::io::stdout().lock(), &tally);
    }
    let Tally { replayed, by_reason, refused_cut, refused_foreign, .. } = &tally;
    let reasons: Vec<String> = by_reason.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    let would = if args.dry_run { "would be replayed" } else { "replayed" };
    println!(
        "{replayed} letters {would} ({})",
        if reasons.is_empty() { "none".into() } else { reasons.join(", ") }
    );
    println!("refused: {refused_cut} cut for their size, {refused_foreign} that are not of `events`");
    Ok(())
}

/// One transaction: the events, and where every reason goes on.
fn send<T: Transport>(
    transport: &T,
    sink: &mut T::Sink,
    events: Vec<(i32, Outgoing)>,
    decided: &BTreeMap<i32, i64>,
    marks: &Marks<T::Source>,
    reader: &ToEnd<T::Source>,
) -> Result<(), Failure> {
    let partitions = sink.partitions(topic::EVENTS)?.ok_or_else(|| {
        Failure::user("the topic events does not exist; make it with `hmisr topics create`")
    })?;
    sink.begin()?;
    let mut written: BTreeMap<i32, i64> = BTreeMap::new();
    for (came_from, mut event) in events {
        event.partition = match &event.key {
            Some(key) => partition_for_key(key, partitions),
            None => came_from.rem_euclid(partitions),
        };
        *written.entry(event.partition).or_default() += 1;
        sink.produce(&event)?;
    }
    let decided: Vec<(i32, i64)> = decided.iter().map(|(partition, next)| (*partition, *next)).collect();
    for (_, source) in &marks.groups {
        sink.send_offsets(&source.group(), topic::DEAD_LETTERS, &decided)?;
    }
    if let Some(before) = transport.replayed()? {
        let counts: Vec<(i32, i64)> = (0..)
            .zip(before)
            .map(|(partition, count)| (partition, count + written.get(&partition).copied().unwrap_or(0)))
            .collect();
        sink.send_offsets(&reader.group(), topic::EVENTS, &counts)?;
    }
    Ok(sink.commit()?)
}

/// The event as it came, with a header that names its letter; beside it the partition that it was in.
fn event(letter: &Letter<'_>) -> (i32, Outgoing) {
    let Record { partition, offset, key, payload, .. } = letter.record;
    let from = place(topic::DEAD_LETTERS, *partition, *offset);
    let mut headers: Vec<Header> =
        letter.original_headers().iter().filter(|header| header.name != REPLAYED_FROM).cloned().collect();
    headers.push(Header::new(REPLAYED_FROM, from));
    let (key, payload) = (key.clone(), payload.clone());
    (letter.partition, Outgoing { topic: topic::EVENTS, partition: 0, key, payload, headers })
}
