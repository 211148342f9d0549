//! Files of the stream's own events, which pass as they stand.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::Result;
use crate::json::pick;
use crate::layout::Layout;
use crate::options::{Format, Options};
use crate::text::Head;
use crate::values::{TimeForm, TimeSample, TimeUnit};

/// What an event may have.
const FIELDS: [&str; 9] =
    ["user_id", "item_id", "category", "action", "ts", "weight", "request_id", "event_id", "is_tail"];

/// JSON lines that are events as the stream has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEvents {
    /// The files, read one after the other.
    pub files: Vec<PathBuf>,
    /// How `ts` is written, where it is not in whole milliseconds: as the options say, or as nearly all
    /// of the first events have it.
    pub retime: Option<TimeForm>,
}

impl StreamEvents {
    /// The files of a path, where they hold the stream's own events and no option says that a column
    /// is another one; only their beginning is looked at.
    ///
    /// # Errors
    /// Where the path is not what the format expects.
    pub fn find(path: &Path, format: Format, options: &Options) -> Result<Option<Self>> {
        let time = options.time()?;
        let of_time = Options {
            time_format: options.time_format.clone(),
            time_unit: options.time_unit.clone(),
            ..Options::default()
        };
        if of_time != *options || !matches!(format, Format::Auto | Format::Jsonl) {
            return Ok(None);
        }
        let layout = Layout::find(path, format, options)?;
        if !layout.strict {
            return Ok(None);
        }
        let millis = TimeForm::Number(TimeUnit::Millis);
        let seen = form(&layout.events[0])?;
        let retime = match time {
            Some(given) if given == millis => {
                seen.filter(|(form, whole)| *form == millis && !whole).map(|_| millis)
            }
            Some(given) => Some(given),
            None => seen.filter(|(form, whole)| *form != millis || !whole).map(|(form, _)| form),
        };
        Ok(Some(Self { files: layout.events, retime }))
    }
}

/// The form of the first events' times, and whether all of them are JSON's integers.
fn form(file: &Path) -> Result<Option<(TimeForm, bool)>> {
    let (mut sample, mut whole) = (TimeSample::default(), true);
    for value in Head::read(file)?.values(&["ts".to_owned()]).flatten() {
        match &value {
            Some(Value::Number(number)) => {
                whole &= number.is_i64() || number.is_u64();
                sample.see(&number.to_string());
            }
            Some(Value::String(text)) => {
                whole = false;
                sample.see(text);
            }
            _ => {}
        }
    }
    Ok(sample.decide().ok().map(|decided| (decided.form, whole)))
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
