//! What a request for recommendations asks, by query or by body.

use std::collections::HashSet;
use std::time::{SystemTime, UNIX_EPOCH};

use hmisr_recommend::{Event as Known, MOST};
use hmisr_stream::contract::{Id, MAX_TS, implausible};

use crate::{ApiError, ErrorKind};

/// How many items are recommended where `k` is not given.
pub(super) const DEFAULT_K: usize = 10;
/// The most items that are recommended; of candidates, as many as may be given.
const MAX_K: usize = 100;
/// The most events or ids in one field.
pub(super) const MOST_VALUES: usize = MOST;
/// What an id is.
pub(super) const AN_ID: &str =
    "an id is an integer from 0 to 9223372036854775807 or a text of 1 to 128 bytes";
/// The longest name that a near one is sought for, in bytes.
const LONGEST_NAME: usize = 32;

/// An event of the request, at its time or at that of the request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    pub(super) item_id: Id,
    /// Epoch milliseconds.
    pub(super) ts: Option<i64>,
    /// What the user did; empty: what is usual.
    pub(super) action: String,
    pub(super) weight: Option<f32>,
}

/// What is asked.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Ask {
    pub(super) user_id: Option<Id>,
    /// The whole history: nobody is looked up.
    pub(super) history: Option<Vec<Event>>,
    /// Events that come after the history.
    pub(super) session: Option<Vec<Event>>,
    /// The item that is looked at.
    pub(super) current_item: Option<Id>,
    /// The time of the request, epoch milliseconds; none: the clock's.
    pub(super) now: Option<i64>,
    /// The items to rank, and no others.
    pub(super) candidates: Option<Vec<Id>>,
    pub(super) exclude: Option<HashSet<Id>>,
    pub(super) allow_categories: Option<HashSet<Id>>,
    pub(super) exclude_categories: Option<HashSet<Id>>,
    pub(super) k: Option<usize>,
    /// How much diversity weighs; none: as much as the user is expected to want.
    pub(super) lambda: Option<f32>,
    pub(super) explain: Option<bool>,
}

impl Ask {
    /// How many items are wanted.
    pub(super) fn k(&self) -> usize {
        self.k.unwrap_or(DEFAULT_K)
    }

    /// The most that `k` may be: whoever has chosen candidates may have all of them in order.
    pub(super) fn most_k(&self) -> usize {
        if self.candidates.is_some() { MOST_VALUES } else { MAX_K }
    }

    /// The time of the request, epoch milliseconds.
    pub(super) fn now(&self) -> i64 {
        self.now.unwrap_or_else(clock)
    }

    /// Whether the request itself says what the user did.
    pub(super) fn has_events(&self) -> bool {
        self.history.is_some() || self.session.is_some() || self.current_item.is_some()
    }

    /// What the model reads at `now`: the request's own history or else `kept`, what is known of the user; then
    /// the session without what is in it already; then the item that is looked at.
    pub(super) fn history(&self, kept: &[Known], now: i64) -> Vec<Known> {
        // Clocks differ: what comes after the request happened now.
        let timed = |events: &[Event]| -> Vec<Known> {
            let at = |event: &Event| Known {
                item: event.item_id.clone(),
                ts: event.ts.map_or(now, |ts| ts.min(now)),
                action: event.action.as_str().into(),
                weight: event.weight,
            };
            let mut events: Vec<Known> = events.iter().map(at).collect();
            events.sort_by_key(|event| event.ts);
            events
        };
        let mut history = self.history.as_deref().map_or_else(|| kept.to_vec(), &timed);
        let of = |event: &Known| (event.item.clone(), event.ts);
        let mut met: HashSet<(Id, i64)> = match self.session {
            Some(_) => history.iter().map(of).collect(),
            None => HashSet::new(),
        };
        let session = timed(self.session.as_deref().unwrap_or_default());
        history.extend(session.into_iter().filter(|event| met.insert(of(event))));
        history.extend(self.current_item.iter().map(|item| Known::new(item.clone(), now)));
        history
    }

    /// Whether an item may be recommended for its id; `seen` are the items of the history that must not be.
    pub(super) fn excludes(&self, seen: &HashSet<&Id>, id: &Id) -> bool {
        let named = || self.exclude.as_ref().is_some_and(|exclude| exclude.contains(id));
        seen.contains(id) || self.current_item.as_ref() == Some(id) || named()
    }

    /// Whether an item of these categories may be recommended.
    pub(super) fn allows(&self, categories: &[Id]) -> bool {
        let any_of = |some: &HashSet<Id>| categories.iter().any(|category| some.contains(category));
        self.allow_categories.as_ref().is_none_or(any_of)
            && !self.exclude_categories.as_ref().is_some_and(any_of)
    }

    /// # Errors
    /// Where it is not said for whom.
    pub(super) fn checked(self, missing: &str) -> Result<Self, ApiError> {
        match self.user_id.is_some() || self.has_events() {
            true => Ok(self),
            false => Err(ApiError::new(ErrorKind::BadParameter, missing)),
        }
    }
}

/// The clock's time, epoch milliseconds.
pub(super) fn clock() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    i64::try_from(now).unwrap_or(MAX_TS)
}

/// Why a time is refused, where it is: as the stream refuses an event's.
pub(super) fn refusal(ts: i64, min_ts_ms: i64) -> Option<String> {
    implausible(ts, min_ts_ms).map(|problem| format!("it is {problem}"))
}

/// What `k` must be.
pub(super) fn whole_number(most: usize) -> String {
    let more = if most == MAX_K { format!(" (to {MOST_VALUES} with `candidates`)") } else { String::new() };
    format!("it must be a whole number from 1 to {most}{more}")
}

/// What `lambda` must be.
pub(super) const A_SHARE: &str = "it must be a number from 0 (relevance alone) to 1";

/// That there is no such name, with what was most likely meant, else with all.
pub(super) fn no_such(thing: &str, name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(near) => format!("there is no such {thing}; did you mean `{near}`?"),
        None => format!("there is no such {thing}; there are `{}`", known.join("`, `")),
    }
}

/// The name that differs from `name` by at most two letters, the least of all.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if name.len() > LONGEST_NAME {
        return None;
    }
    let name = name.to_lowercase();
    let near = known.iter().map(|known| (distance(&name, known), *known));
    near.filter(|(distance, known)| *distance <= 2 && *distance < known.len()).min().map(|(_, known)| known)
}

/// How many letters have to be put in, taken away or changed.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, other) in other.bytes().enumerate() {
            let changed = diagonal + usize::from(letter != other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(item: u32, ts: Option<i64>) -> Event {
        Event { item_id: Id::from(item), ts, action: String::new(), weight: None }
    }

    fn read(ask: &Ask, kept: &[(u32, i64)]) -> Vec<(u64, i64)> {
        let kept: Vec<Known> = kept.iter().map(|(item, ts)| Known::new(Id::from(*item), *ts)).collect();
        let history = ask.history(&kept, ask.now());
        history.iter().map(|event| (event.item.as_int().unwrap(), event.ts)).collect()
    }

    #[test]
    fn a_session_follows_what_is_kept_without_what_is_in_it() {
        let session = vec![event(5, None), event(2, Some(20)), event(2, Some(30)), event(2, Some(30))];
        let ask = Ask { session: Some(session), now: Some(100), ..Ask::default() };
        assert_eq!(read(&ask, &[(1, 10), (2, 20)]), [(1, 10), (2, 20), (2, 30), (5, 100)]);
        assert_eq!(read(&ask, &[]), [(2, 20), (2, 30), (5, 100)]);
    }

    #[test]
    fn a_history_stands_in_the_place_of_what_is_kept() {
        let history = vec![event(3, Some(40)), event(4, Some(400)), event(1, Some(20))];
        let current_item = Some(Id::from(9));
        let ask = Ask { history: Some(history), current_item, now: Some(100), ..Ask::default() };
        assert_eq!(read(&ask, &[(7, 1)]), [(1, 20), (3, 40), (4, 100), (9, 100)]);
        assert!(ask.excludes(&HashSet::new(), &Id::from(9)) && !ask.excludes(&HashSet::new(), &Id::from(3)));
    }

    #[test]
    fn an_excluded_category_outweighs_an_allowed_one() {
        let ids = |some: &[u32]| Some(some.iter().map(|id| Id::from(*id)).collect());
        let ask = Ask { allow_categories: ids(&[1, 2]), exclude_categories: ids(&[3]), ..Ask::default() };
        let allows = |some: &[u32]| ask.allows(&some.iter().map(|id| Id::from(*id)).collect::<Vec<_>>());
        assert!(allows(&[1]) && allows(&[4, 2]));
        assert!(!allows(&[4]) && !allows(&[1, 3]));
        assert!(Ask::default().allows(&[]));
    }

    #[test]
    fn a_near_name_is_offered() {
        let known = ["user_id", "session", "k", "candidates"];
        assert_eq!(nearest("userId", &known), Some("user_id"));
        assert_eq!(nearest("Sesion", &known), Some("session"));
        assert_eq!(nearest("candidate", &known), Some("candidates"));
        for other in ["n", "", "limit", "ünïcödé", &"k".repeat(100)] {
            assert_eq!(nearest(other, &known), None, "{other}");
        }
        assert_eq!((distance("", "abc"), distance("abc", "abc"), distance("abc", "acb")), (3, 0, 2));
    }
}
