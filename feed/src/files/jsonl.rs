//! One event a line, passed on as it stands; of a line too long for the log, its beginning.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hmisr_datasets::values::TimeForm;
use hmisr_datasets::{Error, Lines, StreamEvents, Summary, retimed};
use hmisr_stream::contract::{Id, Written};
use serde::Deserialize;

use super::fingerprint::fingerprint;
use crate::{Cut, EventLine, EventSource, FeedError, MAX_EVENT_BYTES, Place};

/// Streams the files of a path, one after the other.
pub(super) struct Jsonl {
    path: PathBuf,
    current: Option<Lines>,
    /// The file that is read.
    reading: Arc<Path>,
    waiting: VecDeque<PathBuf>,
    /// Bytes of all files, and of those that are finished.
    size: u64,
    finished_bytes: u64,
    /// The first line, read at opening to tell a file without events.
    first: Option<EventLine>,
    /// Of the line read last, which is also the one given last: `first` is the only one ahead, and
    /// is given before another is read.
    cut: Option<Cut>,
    place: Option<Place>,
    written: Option<Written>,
    fingerprint: String,
    /// How `ts` is written, where it is written anew.
    retime: Option<TimeForm>,
    summary: Summary,
}

impl Jsonl {
    pub(super) fn open(
        path: &Path,
        StreamEvents { files, retime, summary }: StreamEvents,
    ) -> Result<Self, FeedError> {
        let kind = retime.as_ref().map_or_else(|| "jsonl".to_owned(), |form| format!("jsonl, ts in {form}"));
        let (fingerprint, size) = fingerprint(&kind, &files)?;
        let mut source = Self {
            path: path.to_owned(),
            current: None,
            reading: Path::new("").into(),
            waiting: files.into(),
            size,
            finished_bytes: 0,
            first: None,
            cut: None,
            place: None,
            written: None,
            fingerprint,
            retime,
            summary,
        };
        source.first = source.read().transpose()?;
        match source.first {
            Some(_) => Ok(source),
            None => Err(Error::Empty { path: path.to_owned() }.into()),
        }
    }

    fn read(&mut self) -> Option<Result<EventLine, FeedError>> {
        self.try_read()
            .inspect_err(|_| {
                self.current = None;
                self.waiting.clear();
            })
            .transpose()
    }

    fn try_read(&mut self) -> Result<Option<EventLine>, FeedError> {
        loop {
            if let Some(lines) = &mut self.current {
                if let Some((number, line)) = lines.next()? {
                    let retimed_by =
                        |form: &TimeForm| retimed(line, form).map(|anew| (anew, form.to_string()));
                    let anew = self.retime.as_ref().and_then(retimed_by);
                    let (rewritten, times) = anew.unzip();
                    self.written = times.map(|times| Written { line: line.to_vec(), times });
                    let line = rewritten.as_deref().unwrap_or(line);
                    let (key, bytes) = (user_of(line), line.len());
                    let payload = line[..bytes.min(MAX_EVENT_BYTES)].to_vec();
                    let place = Place { file: self.reading.clone(), line: number };
                    self.cut = (bytes > MAX_EVENT_BYTES).then(|| Cut { place: place.to_string(), bytes });
                    self.place = Some(place);
                    return Ok(Some(EventLine { key, payload }));
                }
                self.finished_bytes += lines.bytes_read();
            }
            match self.waiting.pop_front() {
                Some(path) => {
                    self.current = Some(Lines::open(&path)?);
                    self.reading = path.into();
                }
                None => {
                    self.current = None;
                    return Ok(None);
                }
            }
        }
    }
}

impl EventSource for Jsonl {
    fn next(&mut self) -> Option<Result<EventLine, FeedError>> {
        self.first.take().map(Ok).or_else(|| self.read())
    }

    fn total(&self) -> Option<u64> {
        None
    }

    fn share_read(&self) -> Option<f64> {
        let read = self.finished_bytes + self.current.as_ref().map_or(0, Lines::bytes_read);
        Some(if self.size == 0 { 1.0 } else { read as f64 / self.size as f64 }.min(1.0))
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    fn place(&self) -> Option<Place> {
        self.place.clone()
    }

    fn written(&self) -> Option<Written> {
        self.written.clone()
    }

    fn cut(&self) -> Option<Cut> {
        self.cut.clone()
    }

    fn summary(&self) -> Option<Summary> {
        Some(self.summary.clone())
    }

    fn describe(&self) -> String {
        let retimed = self.retime.as_ref().map_or_else(String::new, |form| format!(", ts in {form}"));
        format!("events of {} (jsonl{retimed})", self.path.display())
    }
}

/// The text of `user_id`, where the line is one JSON object with an id there. The rest of the
/// event may be wrong: that is for whoever reads it from the log to say.
fn user_of(line: &[u8]) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct OfUser {
        user_id: Id,
    }
    // serde would read an array as well.
    if line.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let event: OfUser = serde_json::from_slice(line).ok()?;
    Some(event.user_id.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_users_text() {
        for (line, key) in [
            (r#"{"user_id": 42, "item_id": true}"#, Some("42")),
            (r#" {"item_id": [1, {"user_id": 3}], "user_id": "42"}"#, Some("42")),
            (r#"{"user_id": "ü"}"#, Some("ü")),
            (r#"{"user_id": -1}"#, None),
            (r#"{"item_id": 1}"#, None),
            (r#"[42]"#, None),
            (r#"{"user_id": 42"#, None),
            ("nonsense", None),
        ] {
            assert_eq!(user_of(line.as_bytes()).as_deref(), key.map(str::as_bytes), "{line}");
        }
        assert_eq!(user_of(b"{\"user_id\": \"\xff\"}"), None);
    }
}
