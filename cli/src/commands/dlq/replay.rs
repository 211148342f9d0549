//! `hmisr dlq replay`: the original bytes go back to `events`, each letter at most once; those of a
//! bridge's topic as the events that its mapping makes of them now.
//!
//! Per reason a group of its own keeps, by partition, which letter comes next. Its offset is
//! committed in the transaction that holds the replayed events: both are there, or neither.

use std::collections::BTreeMap;

use hmisr_feed::EventLog;
use hmisr_stream::contract::{Letter, REPLAY, REPLAYED_FROM, Reason, topic};
use hmisr_stream::{Delivery, Header, Outgoing, Partitioner, Record, Sink, Source, Transport};
use serde::Serialize;

use super::args::DlqReplayArgs;
use super::list::{place, print_json};
use super::through::{Again, Through};
use super::to_end::ToEnd;
use crate::failure::Failure;

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
    /// Letters of a bridge's topic that its mapping refused again: each is a new letter.
    refused_again: u64,
    /// Events that were sent.
    events: u64,
}

/// Where each reason goes on.
struct Marks<S> {
    groups: Vec<(Reason, S)>,
    next: BTreeMap<(Reason, i32), i64>,
}

impl<S: Source> Marks<S> {
    /// The groups' names begin with `prefix`: letters of a bridge's topic have groups of their own.
    fn read<T: Transport<Source = S>>(
        transport: &T,
        reasons: &[Reason],
        prefix: &str,
    ) -> Result<Self, Failure> {
        let (mut groups, mut next) = (Vec::new(), BTreeMap::new());
        for &reason in reasons {
            let mut source = transport.source(topic::DEAD_LETTERS, &format!("{prefix}-{reason}"))?;
            for partition in 0..source.topic().partitions {
                let mark = source.committed(partition)?.unwrap_or(0);
                let end = if mark > 0 { source.bounds(partition)?.1 } else { 0 };
                if mark > end {
                    return Err(Failure::user(format!(
                        "the group {prefix}-{reason} is at {}, and the partition ends at {end}: {} was made anew; reset the group (kafka-consumer-groups.sh --reset-offsets)",
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

pub fn run<T: EventLog>(
    transport: &T,
    args: &DlqReplayArgs,
    mut through: Option<Through>,
    partitioner: Partitioner,
) -> Result<(), Failure> {
    // A letter of a bridge's topic came from a partition of that one, which says nothing of `events`.
    let partitioner = match partitioner {
        Partitioner::Any if through.is_some() => Partitioner::Murmur2,
        partitioner => partitioner,
    };
    let mut reasons = args.from.reasons.clone();
    if reasons.is_empty() {
        reasons.extend(Reason::ALL);
    }
    reasons.sort_unstable();
    reasons.dedup();
    // The sink first: it fences a replay that is still under way, before the marks are read.
    let mut sink = if args.dry_run { None } else { Some(transport.sink(REPLAY, Delivery::ExactlyOnce)?) };
    let prefix = through.as_ref().map_or_else(|| REPLAY.to_owned(), |of| format!("{REPLAY}-of-{}", of.topic));
    let mut marks = Marks::read(transport, &reasons, &prefix)?;
    let mut reader = ToEnd::new(transport.source(topic::DEAD_LETTERS, REPLAY)?, args.from.partition)?;
    let mut tally = Tally { dry_run: args.dry_run, ..Tally::default() };
    let mut more = true;
    while more && let Some(records) = reader.next(&|partition| marks.first(partition))? {
        let (mut outgoing, mut decided) = (Vec::new(), BTreeMap::new());
        if let Some(through) = &mut through {
            let mut letters: Vec<_> = records.iter().filter_map(|record| Letter::read(record).ok()).collect();
            letters
                .retain(|letter| letter.topic == through.topic && marks.awaits(letter.reason, letter.record));
            through.learn(&letters)?;
        }
        for record in &records {
            if args.from.limit.is_some_and(|limit| tally.replayed + tally.refused_again >= limit) {
                more = false;
                break;
            }
            decided.insert(record.partition, record.offset + 1);
            let wanted = through.as_ref().map_or(topic::EVENTS, |through| through.topic.as_str());
            match Letter::read(record) {
                Err(_) => tally.refused_foreign += u64::from(marks.is_new(record)),
                Ok(letter) if !marks.awaits(letter.reason, record) => {}
                Ok(letter) if letter.topic != wanted => tally.refused_foreign += u64::from(through.is_none()),
                Ok(letter) if !letter.whole => tally.refused_cut += 1,
                Ok(letter) => {
                    let again = match &through {
                        None => Again::Events(vec![event(&letter)]),
                        Some(through) => through.again(&letter),
                    };
                    let sent = match again {
                        Again::Events(events) => {
                            tally.replayed += 1;
                            *tally.by_reason.entry(letter.reason.as_str()).or_default() += 1;
                            tally.events += events.len() as u64;
                            events
                        }
                        Again::Letter(refused) => {
                            tally.refused_again += 1;
                            vec![refused]
                        }
                    };
                    outgoing.extend(sent.into_iter().map(|record| (letter.partition, record)));
                }
            }
        }
        marks.advance(&decided);
        if let Some(sink) = sink.as_mut().filter(|_| !decided.is_empty()) {
            send(transport, sink, outgoing, partitioner, &decided, &marks, &reader)?;
        }
    }
    if args.from.json {
        return print_json(&mut std::io::stdout().lock(), &tally);
    }
    let Tally { replayed, by_reason, refused_cut, refused_foreign, refused_again, .. } = &tally;
    let reasons: Vec<String> = by_reason.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    let would = if args.dry_run { "would be replayed" } else { "replayed" };
    println!(
        "{replayed} letters {would} ({})",
        if reasons.is_empty() { "none".into() } else { reasons.join(", ") }
    );
    match through {
        None => {
            println!("refused: {refused_cut} cut for their size, {refused_foreign} that are not of `events`")
        }
        Some(through) => println!(
            "{} events of {}; refused: {refused_cut} cut for their size, {refused_again} refused again",
            tally.events, through.topic
        ),
    }
    Ok(())
}

/// One transaction: the events and new letters, and where every reason goes on.
fn send<T: EventLog>(
    transport: &T,
    sink: &mut T::Sink,
    outgoing: Vec<(i32, Outgoing)>,
    partitioner: Partitioner,
    decided: &BTreeMap<i32, i64>,
    marks: &Marks<T::Source>,
    reader: &ToEnd<T::Source>,
) -> Result<(), Failure> {
    let partitions = sink.partitions(topic::EVENTS)?.ok_or_else(|| {
        Failure::user("the topic events does not exist; make it with `hmisr topics create`")
    })?;
    let letters = sink.partitions(topic::DEAD_LETTERS)?.unwrap_or(1).max(1);
    sink.begin()?;
    let mut written: BTreeMap<i32, i64> = BTreeMap::new();
    for (came_from, mut event) in outgoing {
        if event.topic == topic::DEAD_LETTERS {
            event.partition = came_from.rem_euclid(letters);
            sink.produce(&event)?;
            continue;
        }
        // With producers of any kind, the partition that it came from holds its user.
        let by_key = event.key.as_ref().and_then(|key| partitioner.of(key, partitions));
        event.partition = by_key.unwrap_or_else(|| came_from.rem_euclid(partitions));
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

/// The event as it came, with a header that names its letter.
fn event(letter: &Letter<'_>) -> Outgoing {
    let Record { partition, offset, key, payload, .. } = letter.record;
    let from = place(topic::DEAD_LETTERS, *partition, *offset);
    let mut headers: Vec<Header> =
        letter.original_headers().iter().filter(|header| header.name != REPLAYED_FROM).cloned().collect();
    headers.push(Header::new(REPLAYED_FROM, from));
    let (key, payload) = (key.clone(), payload.clone());
    Outgoing { topic: topic::EVENTS, partition: 0, key, payload, headers }
}
