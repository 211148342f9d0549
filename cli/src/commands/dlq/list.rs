//! `hmisr dlq list`.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};

use hmisr_stream::contract::{Letter, REPLAYED_FROM, topic};
use hmisr_stream::{Record, Transport};
use serde::Serialize;

use super::args::DlqListArgs;
use super::to_end::ToEnd;
use crate::failure::Failure;

/// Characters of a payload that are shown.
const SHOWN: usize = 160;

/// One letter, as it is shown.
#[derive(Debug, Serialize)]
struct Line {
    /// Where the letter is.
    letter: String,
    /// None: its headers cannot be read, and `message` says why.
    reason: Option<&'static str>,
    message: String,
    /// Where the event was.
    topic: Option<String>,
    partition: Option<i32>,
    offset: Option<i64>,
    timestamp_ms: i64,
    key: Option<String>,
    /// None: a tombstone.
    payload: Option<String>,
    payload_bytes: usize,
    /// Whether nothing was cut for its size; only such a letter can be replayed.
    whole: bool,
    /// The letter from which the event had been replayed.
    replayed_from: Option<String>,
}

/// How many there are.
#[derive(Debug, Default, Serialize)]
struct Summary {
    letters: u64,
    by_reason: BTreeMap<&'static str, u64>,
}

pub fn run<T: Transport>(transport: &T, args: &DlqListArgs) -> Result<(), Failure> {
    // A group of its own: nothing is committed in it.
    let group = format!("hmisr-dlq-list-{}", std::process::id());
    let mut reader = ToEnd::new(transport.source(topic::DEAD_LETTERS, &group)?, args.from.partition)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut summary = Summary::default();
    while let Some(records) = reader.next(&|_| 0)? {
        for record in &records {
            let line = line(record, args.full);
            if !is_wanted(&line, args) {
                continue;
            }
            summary.letters += 1;
            *summary.by_reason.entry(line.reason.unwrap_or("unreadable")).or_default() += 1;
            if !args.summary && args.from.limit.is_none_or(|limit| summary.letters <= limit) {
                print(&mut out, &line, args.from.json)?;
            }
        }
    }
    if args.summary && args.from.json {
        print_json(&mut out, &summary)?;
    } else if !args.from.json {
        let reasons: Vec<String> =
            summary.by_reason.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        writeln!(out, "{} letters: {}", summary.letters, reasons.join(", "))?;
    }
    Ok(out.flush()?)
}

fn is_wanted(line: &Line, args: &DlqListArgs) -> bool {
    let wanted = &args.from.reasons;
    let reason = wanted.is_empty() || wanted.iter().any(|reason| Some(reason.as_str()) == line.reason);
    reason
        && args.since.is_none_or(|since| line.timestamp_ms >= since)
        && args.until.is_none_or(|until| line.timestamp_ms < until)
}

fn line(record: &Record, full: bool) -> Line {
    let text = |bytes: &Vec<u8>| {
        let text = String::from_utf8_lossy(bytes);
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) if !full => format!("{}…", &text[..end]),
            _ => text.into_owned(),
        }
    };
    let read = Letter::read(record);
    let (message, letter) = match &read {
        Ok(letter) => (letter.message.clone(), Some(letter)),
        Err(problem) => (problem.clone(), None),
    };
    let originals = letter.map_or(&record.headers[..], |letter| letter.original_headers());
    let replayed = originals.iter().rfind(|header| header.name == REPLAYED_FROM);
    Line {
        letter: place(topic::DEAD_LETTERS, record.partition, record.offset),
        reason: letter.map(|letter| letter.reason.as_str()),
        message,
        topic: letter.map(|letter| letter.topic.clone()),
        partition: letter.map(|letter| letter.partition),
        offset: letter.map(|letter| letter.offset),
        timestamp_ms: letter.map_or(record.timestamp_ms, |letter| letter.timestamp_ms),
        key: record.key.as_ref().map(text),
        payload: record.payload.as_ref().map(text),
        payload_bytes: record.payload.as_ref().map_or(0, Vec::len),
        whole: letter.is_some_and(|letter| letter.whole),
        replayed_from: replayed.map(|header| String::from_utf8_lossy(&header.value).into_owned()),
    }
}

/// A record's place, as `hmisr-replayed-from` names it.
pub(super) fn place(topic: &str, partition: i32, offset: i64) -> String {
    format!("{topic}/{partition}/{offset}")
}

fn print(out: &mut dyn Write, line: &Line, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(out, line);
    }
    let from = match (&line.topic, line.partition, line.offset) {
        (Some(topic), Some(partition), Some(offset)) => place(&plain(topic), partition, offset),
        _ => "?".to_owned(),
    };
    let at = humantime(line.timestamp_ms);
    writeln!(out, "{}  {}  of {from}  {at}", line.letter, line.reason.unwrap_or("unreadable"))?;
    writeln!(out, "    {}", plain(&line.message))?;
    // Quoted: a payload must not move the cursor or end the line.
    let shown = |text: &Option<String>| text.as_ref().map_or("none".to_owned(), |text| format!("{text:?}"));
    writeln!(
        out,
        "    key {}, payload ({} bytes) {}",
        shown(&line.key),
        line.payload_bytes,
        shown(&line.payload)
    )?;
    Ok(())
}

/// A text of a header, in which nothing moves the cursor, ends the line or turns the direction.
fn plain(text: &str) -> String {
    let escaped = |char: char| {
        let is_quote = matches!(char, '"' | '\'' | '\\');
        if is_quote { char.to_string() } else { char.escape_debug().to_string() }
    };
    text.chars().map(escaped).collect()
}

fn humantime(ms: i64) -> String {
    let since = u64::try_from(ms).map(std::time::Duration::from_millis);
    match since.ok().and_then(|since| std::time::UNIX_EPOCH.checked_add(since)) {
        Some(time) if ms < hmisr_stream::contract::MAX_TS => {
            humantime::format_rfc3339_millis(time).to_string()
        }
        _ => format!("{ms} ms"),
    }
}

pub(super) fn print_json(out: &mut dyn Write, what: &impl Serialize) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, what).map_err(|error| Failure::fault(&error))?;
    Ok(out.write_all(b"\n")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_letter_moves_the_cursor() {
        let odd = "a\u{1b}[2J\r\nb\u{202e}\"ü";
        let line = Line {
            letter: place(topic::DEAD_LETTERS, 0, 1),
            reason: None,
            message: odd.to_owned(),
            topic: Some(odd.to_owned()),
            partition: Some(0),
            offset: Some(1),
            timestamp_ms: 0,
            key: Some(odd.to_owned()),
            payload: Some(odd.to_owned()),
            payload_bytes: odd.len(),
            whole: true,
            replayed_from: None,
        };
        let mut out = Vec::new();
        print(&mut out, &line, false).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(
            text.chars().all(|char| char == '\n' || !char.is_control() && char != '\u{202e}'),
            "{text:?}"
        );
        assert_eq!(text.matches("\"ü").count(), 4, "{text}");
    }
}
