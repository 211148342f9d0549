//! Files of the stream's own events, which pass as they stand.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::Result;
use crate::json::pick;
use crate::layout::{Layout, shown_name};
use crate::options::{Format, Options};
use crate::own::FIELDS;
use crate::summary::Summary;
use crate::text::Head;
use crate::values::{TimeForm, TimeRange, TimeSample, TimeUnit, date_text, is_plausible};

/// The stream's own.
pub(crate) const MILLIS: TimeForm = TimeForm::Number(TimeUnit::Millis);

/// JSON lines that are events as the stream has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEvents {
    /// The files, read one after the other.
    pub files: Vec<PathBuf>,
    /// How `ts` is written, where it is not in whole milliseconds: as the options say, or as nearly all
    /// of the first events have it.
    pub retime: Option<TimeForm>,
    /// How they were understood; their rows are not counted.
    pub summary: Summary,
}

impl StreamEvents {
    /// The files of a path, where they hold the stream's own events and no option says that a column
    /// is another one; only their beginning is looked at.
    ///
    /// # Errors
    /// Where the path is not what the format expects.
    pub fn find(path: &Path, format: Format, options: &Options) -> Result<Option<Self>> {
        options.validate()?;
        // What is said of columns that events do not have changes nothing.
        if options.names_columns() || !matches!(format, Format::Auto | Format::Jsonl) {
            return Ok(None);
        }
        let layout = Layout::find(path, format, options)?;
        if !layout.strict {
            return Ok(None);
        }
        let Times { retime, range } = Times::of(&layout.events[0], options)?;
        let mut summary = Summary {
            layout: layout.name.to_owned(),
            files: layout.events.iter().map(|file| shown_name(file)).collect(),
            time: retime.as_ref().unwrap_or(&MILLIS).to_string(),
            passes: true,
            notes: layout.notes,
            ..Summary::default()
        };
        summary.first = range.first_ms().map(date_text);
        summary.last = range.last_ms().map(date_text);
        Ok(Some(Self { files: layout.events, retime, summary }))
    }
}

/// How the stream's own events write their times.
pub(crate) struct Times {
    /// Their form, where `ts` is not in whole milliseconds.
    pub(crate) retime: Option<TimeForm>,
    /// The plausible ones of the file's beginning.
    range: TimeRange,
}

impl Times {
    /// As the options say, or as the beginning of a file has them.
    pub(crate) fn of(file: &Path, options: &Options) -> Result<Self> {
        let (mut sample, mut whole, mut texts) = (TimeSample::default(), true, Vec::new());
        for value in Head::read(file)?.values(&["ts".to_owned()]).flatten() {
            let text = match value {
                Some(Value::Number(number)) => {
                    whole &= number.is_i64() || number.is_u64();
                    number.to_string()
                }
                Some(Value::String(text)) => {
                    whole = false;
                    text
                }
                _ => continue,
            };
            sample.see(&text);
            texts.push(text);
        }
        let seen = sample.decide().ok().map(|decided| (decided.form, whole));
        let retime = match options.time()? {
            Some(given) if given == MILLIS => {
                seen.filter(|(form, whole)| *form == MILLIS && !whole).map(|_| MILLIS)
            }
            Some(given) => Some(given),
            None => seen.filter(|(form, whole)| *form != MILLIS || !whole).map(|(form, _)| form),
        };
        let form = retime.as_ref().unwrap_or(&MILLIS);
        let mut range = TimeRange::default();
        let times = texts.iter().filter_map(|text| form.ms(text).ok());
        times.filter(|ms| is_plausible(*ms)).for_each(|ms| range.see(ms));
        Ok(Self { retime, range })
    }
}

/// An event's line with `ts` in epoch milliseconds, and without what no event has; none where the line
/// is no such event, or has a time of another form.
///
/// ```
/// use hmisr_datasets::{retimed, values::{TimeForm, TimeUnit}};
///
/// let seconds = TimeForm::Number(TimeUnit::Seconds);
/// let line = br#"{"user_id": 1, "ts": 1764000000.5, "title": "caf\ud83d"}"#;
/// assert_eq!(retimed(line, &seconds).unwrap(), br#"{"ts":1764000000500,"user_id":1}"#);
/// assert_eq!(retimed(br#"{"user_id": 1, "ts": "soon"}"#, &seconds), None);
/// ```
pub fn retimed(line: &[u8], form: &TimeForm) -> Option<Vec<u8>> {
    let fields = FIELDS.map(str::to_owned);
    let values = pick(line, &fields)?;
    let named = fields.into_iter().zip(values).filter_map(|(field, value)| Some((field, value?)));
    let mut event: serde_json::Map<String, Value> = named.collect();
    let ts = event.get_mut("ts")?;
    let ms = match ts {
        Value::Number(number) => form.ms(&number.to_string()),
        Value::String(text) => form.ms(text),
        _ => return None,
    };
    *ts = ms.ok()?.into();
    serde_json::to_vec(&event).ok()
}
