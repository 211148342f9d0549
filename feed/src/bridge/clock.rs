//! The form of a topic's times: decided once, and every value held to it.

use hmisr_datasets::values::{
    Decimal, MIN_PLAUSIBLE_MS, TimeForm, TimeRange, TimeSample, Undecided, date_text, in_each_unit, time_of,
};
use hmisr_stream::contract::{MAX_TS, Reason};
use serde::Serialize;
use serde_json::Value;

use super::TopicTime;
use super::mapping::Refusal;

/// Values by which the form is settled; until there are so many, what most say holds.
const SETTLED: u64 = 64;

/// How a topic's times are read.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    rule: Rule,
    /// The first time that is taken, epoch milliseconds.
    pub(super) min_ts_ms: i64,
}

#[derive(Debug, Clone)]
enum Rule {
    Record,
    Given(TimeForm),
    Auto { sample: Box<TimeSample>, form: Option<TimeForm>, settled: bool },
}

/// The times of the events that were written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Times {
    /// What they were read as: `s`, `ms`, `us`, `ns`, `rfc3339`, `yyyymmdd`, a pattern, or `record`.
    pub unit: String,
    /// The first one, in words.
    pub first: String,
    /// The last one, in words.
    pub last: String,
}

impl Clock {
    pub(super) fn new(time: &TopicTime) -> Self {
        let rule = match time {
            TopicTime::Record => Rule::Record,
            TopicTime::Form(form) => Rule::Given(form.clone()),
            TopicTime::Auto => Rule::Auto { sample: Box::default(), form: None, settled: false },
        };
        Self { rule, min_ts_ms: MIN_PLAUSIBLE_MS }
    }

    /// Whether more values are wanted.
    pub(super) fn learns(&self) -> bool {
        matches!(self.rule, Rule::Auto { settled: false, .. })
    }

    /// Whether the record's own timestamp is taken.
    pub(super) fn is_record(&self) -> bool {
        matches!(self.rule, Rule::Record)
    }

    /// Learns from the values of some records. The form that they settle, where they do.
    ///
    /// # Errors
    /// Values that are not written alike, told with what was seen.
    pub(super) fn learn(&mut self, values: &[Value]) -> Result<Option<TimeForm>, String> {
        let Rule::Auto { sample, form, settled: settled @ false } = &mut self.rule else { return Ok(None) };
        for value in values {
            match value {
                Value::String(text) => sample.see(text),
                Value::Number(number) => sample.see(&number.to_string()),
                _ => {}
            }
        }
        let is_enough = sample.seen() >= SETTLED;
        let decided = if is_enough { sample.decide() } else { sample.decide_by(51) };
        match decided {
            Ok(decided) if form.as_ref().is_some_and(|form| *form != decided.form) => {
                let first = form.as_ref().map(ToString::to_string).unwrap_or_default();
                Err(format!(
                    "the first times looked like {first}, and of {} most look like {}: give the unit (bridge.time_unit, --time-unit)",
                    decided.seen, decided.form
                ))
            }
            Ok(decided) => {
                *settled = is_enough;
                let is_new = form.is_none();
                *form = Some(decided.form.clone());
                Ok(Some(decided.form).filter(|_| is_new))
            }
            // Each is refused by itself until there are enough to say that the topic is so.
            Err(Undecided::Nothing | Undecided::Implausible(_)) if !is_enough => Ok(None),
            Err(undecided) => Err(format!("{undecided}: give the unit (bridge.time_unit, --time-unit)")),
        }
    }

    /// Epoch milliseconds of a record's own timestamp.
    ///
    /// # Errors
    /// One that is not known.
    pub(super) fn recorded(timestamp_ms: i64) -> Result<i64, Refusal> {
        match timestamp_ms {
            0.. => Ok(timestamp_ms),
            _ => Err((Reason::Invalid, "the record has no timestamp of its own".to_owned())),
        }
    }

    /// Epoch milliseconds of a value; none for a word of a missing one.
    ///
    /// # Errors
    /// A value of another form.
    pub(super) fn ms(&self, value: &Value) -> Result<Option<i64>, Refusal> {
        let form = match &self.rule {
            Rule::Given(form) | Rule::Auto { form: Some(form), .. } => form,
            Rule::Record | Rule::Auto { form: None, .. } => {
                let text =
                    format!("{} is no time from 1990 to 2200 in any form{}", shown(value), told(value));
                return Err((Reason::ImplausibleTime, text));
            }
        };
        time_of(form, value).map_err(|error| (Reason::Invalid, error.to_string()))
    }

    /// Holds a time to what is plausible.
    ///
    /// # Errors
    /// Text that says what the value would be in each unit.
    pub(super) fn plausible(&self, ms: i64, value: &Value) -> Result<i64, Refusal> {
        if (self.min_ts_ms..MAX_TS).contains(&ms) {
            return Ok(ms);
        }
        let text = format!(
            "{} is {} as {}, and times go from {} to before 2200-01-01{}",
            shown(value),
            date_text(ms),
            self.form(),
            date_text(self.min_ts_ms),
            told(value)
        );
        Err((Reason::ImplausibleTime, text))
    }

    /// What times are read as.
    fn form(&self) -> String {
        match &self.rule {
            Rule::Record => "record".to_owned(),
            Rule::Given(form) | Rule::Auto { form: Some(form), .. } => form.to_string(),
            Rule::Auto { form: None, .. } => "auto".to_owned(),
        }
    }

    /// The times of a run, for its report; none where there were none.
    pub(super) fn times(&self, range: &TimeRange) -> Option<Times> {
        let (first, last) = (range.first_ms()?, range.last_ms()?);
        Some(Times { unit: self.form(), first: date_text(first), last: date_text(last) })
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        other => other.to_string().chars().take(80).collect(),
    }
}

/// What a number would be in each unit.
fn told(value: &Value) -> String {
    let number = value.as_str().map_or_else(|| Decimal::parse(&value.to_string()), Decimal::parse);
    number.map(|number| format!(" ({})", in_each_unit(&number))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn auto() -> Clock {
        Clock::new(&TopicTime::Auto)
    }

    #[test]
    fn a_unit_is_decided_once_and_later_values_are_held_to_it() {
        let mut clock = auto();
        let values: Vec<Value> = (0..70).map(|n| json!(1_764_000_000_000_i64 + n)).collect();
        assert_eq!(clock.learn(&values).unwrap().unwrap().to_string(), "ms");
        assert!(!clock.learns());
        assert_eq!(clock.ms(&json!("1764000000000")), Ok(Some(1_764_000_000_000)));
        // Seconds are not read as seconds now: they are an implausible number of milliseconds.
        let seconds = json!(1_764_000_000);
        let ms = clock.ms(&seconds).unwrap().unwrap();
        let told = clock.plausible(ms, &seconds).unwrap_err().1;
        assert!(
            told.contains("1970-01-21T10:00:00Z as ms") && told.contains("2025-11-24T16:00:00Z in s"),
            "{told}"
        );
    }

    #[test]
    fn few_values_decide_for_the_time_being() {
        let mut clock = auto();
        assert_eq!(clock.learn(&[json!(12), json!("soon"), json!(null)]), Ok(None));
        assert!(clock.ms(&json!(12)).unwrap_err().1.contains("1970-01-01T00:00:12Z in s"));
        assert_eq!(clock.learn(&vec![json!("2025-11-24T16:00:00Z"); 5]).unwrap().unwrap(), TimeForm::Text);
        assert!(clock.learns());
        let later = clock.learn(&vec![json!(1_764_000_000); 60]).unwrap_err();
        assert!(later.contains("rfc3339") && later.contains("--time-unit"), "{later}");
    }

    #[test]
    fn a_topic_that_is_not_written_alike_is_refused() {
        let mut mixed = vec![json!(1_764_000_000); 30];
        mixed.extend(vec![json!(1_764_000_000_000_i64); 40]);
        let told = auto().learn(&mixed).unwrap_err();
        assert!(told.contains("30 are s") && told.contains("--time-unit"), "{told}");
        let told = auto().learn(&vec![json!(7); 70]).unwrap_err();
        assert!(told.contains("1970-01-01T00:00:07Z") && told.contains("--time-unit"), "{told}");
    }
}
