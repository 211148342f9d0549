//! Which records become events.

use serde_json::Value;

use super::places::{Context, Place, split_at_commas};

/// A condition such as `/op=c,r`: at that place stands one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Only {
    place: Place,
    values: Vec<String>,
}

impl Only {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (place, values) = text
            .split_once('=')
            .ok_or_else(|| format!("{text}: expected PLACE=VALUE[,VALUE…], such as /op=c,r"))?;
        Ok(Self { place: Place::parse(place)?, values: split_at_commas(values) })
    }

    /// Whether it holds. What is missing, null, a list or an object equals nothing.
    pub(super) fn holds(&self, context: &Context<'_>) -> bool {
        let Ok(Some((found, _))) = context.at(&self.place) else { return false };
        let text = match found.as_ref() {
            Value::String(text) => text.clone(),
            Value::Bool(flag) => flag.to_string(),
            Value::Number(number) => {
                let text = number.to_string();
                text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
            }
            _ => return false,
        };
        self.values.contains(&text)
    }
}
