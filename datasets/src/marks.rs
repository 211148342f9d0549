//! What only the stream's own events have besides.

use serde_json::Value;

/// The longest text of an event, in bytes: of an action, or an id of a request or an event.
pub(crate) const MAX_TEXT_BYTES: usize = 256;

/// Fields of the stream's own events that no other data set has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// The request that led to the interaction.
    pub request_id: Option<String>,
    /// The producer's id of the event.
    pub event_id: Option<String>,
    /// The producer's own long-tail mark.
    pub is_tail: Option<bool>,
}

impl Marks {
    /// None where there is nothing, as in nearly all data sets.
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }

    /// Of the values of `request_id`, `event_id` and `is_tail`; none where one of them cannot be.
    pub(crate) fn of([request_id, event_id, is_tail]: &[Option<Value>; 3]) -> Option<Self> {
        let text = |value: &Option<Value>| match value {
            None | Some(Value::Null) => Some(None),
            Some(Value::String(text)) if text.len() <= MAX_TEXT_BYTES => Some(Some(text.clone())),
            Some(_) => None,
        };
        let is_tail = match is_tail {
            None | Some(Value::Null) => None,
            Some(Value::Bool(is_tail)) => Some(*is_tail),
            Some(_) => return None,
        };
        Some(Self { request_id: text(request_id)?, event_id: text(event_id)?, is_tail })
    }
}
