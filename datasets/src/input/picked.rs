//! The values of a JSON object that are needed; the others are read over.

use serde_json::Value;

use crate::cells::Cells;
use crate::summary::Reason;

/// The fields of the stream's events that no data set has.
const MARKS: [&str; 3] = ["request_id", "event_id", "is_tail"];

/// Which values of an object are what: each by a key, or by a pointer such as `/user/id`.
pub(crate) struct Keys {
    user: Option<String>,
    item: Option<String>,
    time: Option<String>,
    action: Option<String>,
    weight: Option<String>,
    categories: Vec<String>,
    /// Whether the object may have the stream's further fields.
    is_own: bool,
    /// The keys of the object itself that are needed.
    wanted: Vec<String>,
}

impl Keys {
    /// `roles`: user, item, time, action, weight.
    pub(crate) fn new(roles: [Option<String>; 5], categories: Vec<String>, is_own: bool) -> Self {
        let mut wanted = Vec::new();
        if is_own {
            wanted.extend(MARKS.map(str::to_owned));
        }
        for name in roles.iter().flatten().chain(&categories) {
            let key = match name.strip_prefix('/') {
                Some(pointer) => {
                    let first = pointer.split('/').next().unwrap_or_default();
                    first.replace("~1", "/").replace("~0", "~")
                }
                None => name.clone(),
            };
            if !wanted.contains(&key) {
                wanted.push(key);
            }
        }
        let [user, item, time, action, weight] = roles;
        Self { user, item, time, action, weight, categories, is_own, wanted }
    }

    /// Reads a line.
    pub(crate) fn read(&self, line: &[u8], cells: &mut Cells) -> Result<(), Reason> {
        let values = crate::json::pick_loosely(line, &self.wanted).ok_or(Reason::NotJson)?;
        let find = |name: &str| -> Option<&Value> {
            let Some(pointer) = name.strip_prefix('/') else { return self.value(&values, name) };
            let (first, rest) =
                pointer.split_once('/').map_or((pointer, None), |(first, rest)| (first, Some(rest)));
            let value = self.value(&values, &first.replace("~1", "/").replace("~0", "~"))?;
            match rest {
                Some(rest) => value.pointer(&format!("/{rest}")),
                None => Some(value),
            }
        };
        let of = |name: &Option<String>| name.as_deref().and_then(find);
        cells.user.set_json(of(&self.user), false);
        cells.item.set_json(of(&self.item), false);
        cells.time.set_json(of(&self.time), false);
        cells.offset.clear();
        cells.action.set_json(of(&self.action), false);
        cells.weight.set_json(of(&self.weight), false);
        cells.categories.resize_with(self.categories.len(), Default::default);
        for (cell, name) in cells.categories.iter_mut().zip(&self.categories) {
            cell.set_json(find(name), true);
        }
        cells.marks = if self.is_own { MARKS.map(|name| find(name).cloned()) } else { Default::default() };
        Ok(())
    }

    fn value<'a>(&self, values: &'a [Option<Value>], key: &str) -> Option<&'a Value> {
        values.get(self.wanted.iter().position(|wanted| wanted == key)?)?.as_ref()
    }
}
