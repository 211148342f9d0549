//! A user's newest events as bytes that can be read without the user: what a training example carries.
//!
//! The visits lie in a user's state as bytes that name categories and actions by their places there. They
//! are handed on as they are, behind the names of those places, so that an example costs a copy and not a
//! conversion of each event.

use super::UserState;
use super::names::Used;
use super::visits::{Visit, Visits};
use crate::id::take_id;
use crate::varint::Reader;
use crate::{Id, Interaction};

/// How the bytes are written.
const FORMAT: u8 = 1;

/// The newest events of a user, oldest first, as bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History(Vec<u8>);

/// A history that is being read.
#[derive(Debug, Default)]
pub struct Opened {
    categories: Used<Id>,
    actions: Used<Box<str>>,
    visits: Visits,
}

impl UserState {
    /// The newest `most` events of any action.
    pub fn history(&mut self, most: usize) -> History {
        let mut bytes = Vec::with_capacity(64 + 10 * most.min(self.visits.len()));
        bytes.push(FORMAT);
        self.actions.write_used(&mut bytes);
        self.categories.write_used(&mut bytes);
        self.visits.write_newest(most, &mut bytes);
        History(bytes)
    }
}

impl History {
    /// The history of these events, oldest first.
    pub fn of<'a>(events: impl IntoIterator<Item = Interaction<'a>>) -> Self {
        let mut user = UserState::default();
        events.into_iter().for_each(|event| user.note(usize::MAX, &event));
        user.history(usize::MAX)
    }

    /// The bytes of [`History::as_bytes`]; none where they are something else.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let opened = opened(&bytes)?;
        let (count, read) = (opened.visits.len(), opened.visits().count());
        (opened.visits.are_whole() && count == read).then_some(Self(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads the names, for [`Opened::visits`].
    pub fn open(&self) -> Opened {
        // Bytes that are none were refused when they came.
        opened(&self.0).unwrap_or_default()
    }
}

fn opened(bytes: &[u8]) -> Option<Opened> {
    let mut reader = Reader::new(bytes);
    if reader.is_empty() {
        return Some(Opened::default());
    }
    if reader.byte()? != FORMAT {
        return None;
    }
    let actions = Used::read(&mut reader, |reader| {
        let length = reader.count()?;
        Some(std::str::from_utf8(reader.bytes(length)?).ok()?.into())
    })?;
    let categories = Used::read(&mut reader, |reader| Some(take_id(reader)?.0))?;
    let visits = Visits::read(&mut reader)?;
    reader.is_empty().then_some(Opened { categories, actions, visits })
}

impl Opened {
    /// The events, oldest first.
    pub fn visits(&self) -> impl ExactSizeIterator<Item = Visit<'_>> {
        self.visits.iter((&self.categories, &self.actions))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.visits.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::FeatureSettings;

    proptest! {
        #[test]
        fn the_newest_events_are_those_of_the_state(
            events in prop::collection::vec((0..9u32, 0..30u32, -5..1_000i64, 0..4u8, any::<Option<f32>>()), 0..60),
            keep in 0..40usize,
            most in 0..40usize,
        ) {
            let settings = FeatureSettings::default();
            let (mut user, mut asked) = (UserState::default(), UserState::default());
            for (nth, (item, category, ts, action, weight)) in events.iter().enumerate() {
                let (item, categories) = (Id::from(*item), [Id::from(*category), Id::from(category / 7)]);
                let action = ["view", "click", "like", "skip"][usize::from(*action)];
                let more_categories = &categories[1..];
                let event = Interaction {
                    more_categories, action, weight: *weight,
                    ..Interaction::new(&item, &categories[0], *ts)
                };
                for user in [&mut user, &mut asked] {
                    match action {
                        "click" => user.push(&settings, keep, &event, *ts % 2 == 0),
                        _ => user.note(keep, &event),
                    }
                }
                // Whatever was handed on before, the newest are the newest.
                asked.history(nth % 7 * most / 3);
            }
            let history = user.history(most);
            prop_assert_eq!(&asked.history(most), &history);
            let read = History::from_bytes(history.as_bytes().to_vec()).unwrap();
            prop_assert_eq!(&read, &history);
            let opened = read.open();
            let skipped = user.visits().len().saturating_sub(most);
            prop_assert_eq!(opened.len(), user.visits().len() - skipped);
            // As texts, since NaN is not equal to itself.
            let shown = |visits: &mut dyn Iterator<Item = Visit<'_>>| -> Vec<String> {
                visits.map(|visit| format!("{visit:?}")).collect()
            };
            let expected = shown(&mut user.visits().skip(skipped));
            prop_assert_eq!(shown(&mut opened.visits()), expected);
        }

        #[test]
        fn rubbish_and_what_is_cut_off_are_refused_without_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            cut in 1..20usize,
        ) {
            if let Some(history) = History::from_bytes(bytes) {
                history.open().visits().count();
            }
            let item = Id::from(7);
            let whole = History::of((0..9).map(|n| Interaction::new(&item, &item, n)));
            let mut short = whole.as_bytes().to_vec();
            short.truncate(short.len() - cut);
            prop_assert!(short.is_empty() || History::from_bytes(short).is_none());
        }
    }

    #[test]
    fn nothing_is_a_history_too() {
        assert!(History::default().open().is_empty());
        assert_eq!(History::from_bytes(Vec::new()), Some(History::default()));
        assert_eq!(UserState::default().history(50).open().visits().count(), 0);
    }
}
