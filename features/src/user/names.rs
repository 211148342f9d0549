//! The categories and actions of a user, which its events name by their place.
//!
//! A place that no event names any more is given to the next newcomer, so that lists stay as long as what
//! they are needed for: a category of a positive event is for ever, all else as long as a visit has it.

use crate::Id;
use crate::id::{put_id, take_id};
use crate::varint::{Reader, put};

/// One of a user's categories, with how many of the user's events fell into it.
#[derive(Debug, Clone, PartialEq)]
pub struct Category {
    /// The category.
    pub id: Id,
    /// Of all positive events.
    pub lifetime: u32,
    /// Of the last W of them.
    pub window: u32,
    /// Of the last N of them.
    pub(super) recent: u32,
    /// Of the visits kept, whatever their action; further categories count too.
    pub visits: u32,
}

impl Category {
    /// Whether nothing names it.
    fn is_free(&self) -> bool {
        self.lifetime == 0 && self.visits == 0
    }
}

/// Where a visit's names stand.
pub trait Names<'a>: Copy {
    /// The category at this place.
    fn category(self, place: usize) -> Option<&'a Id>;

    /// The action at this place.
    fn action(self, place: usize) -> Option<&'a str>;
}

impl<'a> Names<'a> for (&'a Categories, &'a Actions) {
    fn category(self, place: usize) -> Option<&'a Id> {
        self.0.id(place)
    }

    fn action(self, place: usize) -> Option<&'a str> {
        self.1.text(place)
    }
}

/// Those of a list that visits name, with their places, ascending.
#[derive(Debug)]
pub(super) struct Used<T>(Vec<(u64, T)>);

impl<T> Default for Used<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Used<T> {
    /// Reads each behind the number of places passed over.
    pub(super) fn read<'r>(
        reader: &mut Reader<'r>,
        mut read: impl FnMut(&mut Reader<'r>) -> Option<T>,
    ) -> Option<Self> {
        let count = reader.count()?;
        let (mut list, mut next) = (Vec::with_capacity(count), 0_u64);
        for _ in 0..count {
            let place = next.checked_add(reader.unsigned()?)?;
            list.push((place, read(reader)?));
            next = place.checked_add(1)?;
        }
        Some(Self(list))
    }

    fn get(&self, place: usize) -> Option<&T> {
        let at = self.0.binary_search_by_key(&(place as u64), |(place, _)| *place).ok()?;
        Some(&self.0[at].1)
    }
}

impl<'a> Names<'a> for (&'a Used<Id>, &'a Used<Box<str>>) {
    fn category(self, place: usize) -> Option<&'a Id> {
        self.0.get(place)
    }

    fn action(self, place: usize) -> Option<&'a str> {
        self.1.get(place).map(|text| &**text)
    }
}

/// A user's categories, in the order in which they first came as far as none was given up.
#[derive(Debug, Clone, Default)]
pub(super) struct Categories {
    pub(super) list: Vec<Category>,
    /// Memory of the texts, in bytes.
    pub(super) text_bytes: usize,
}

impl Categories {
    pub(super) fn id(&self, place: usize) -> Option<&Id> {
        self.list.get(place).map(|category| &category.id)
    }

    /// Where the category stands, or may stand.
    fn seek(&self, id: &Id, first: Option<usize>) -> (Option<usize>, Option<usize>) {
        if let Some(first) = first.filter(|first| self.list.get(*first).is_some_and(|it| it.id == *id)) {
            return (Some(first), None);
        }
        let mut free = None;
        for (place, category) in self.list.iter().enumerate() {
            if category.id == *id {
                return (Some(place), None);
            }
            if free.is_none() && category.is_free() {
                free = Some(place);
            }
        }
        (None, free)
    }

    /// The category's place; `first` is looked at before all others.
    pub(super) fn place(&mut self, id: &Id, first: Option<usize>) -> usize {
        let (found, free) = self.seek(id, first);
        if let Some(found) = found {
            return found;
        }
        self.text_bytes += id.heap_bytes();
        let category = Category { id: id.clone(), lifetime: 0, window: 0, recent: 0, visits: 0 };
        match free {
            Some(free) => {
                self.text_bytes -= self.list[free].id.heap_bytes();
                self.list[free] = category;
                free
            }
            None => {
                self.list.push(category);
                self.list.len() - 1
            }
        }
    }

    pub(super) fn gone(&mut self, place: usize) {
        if let Some(category) = self.list.get_mut(place) {
            category.visits = category.visits.saturating_sub(1);
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put(out, self.list.len() as u64);
        for category in &self.list {
            put_id(out, &category.id, 0);
            put(out, u64::from(category.lifetime));
            put(out, u64::from(category.visits));
        }
    }

    /// Appends those that a visit has, each behind the number of places passed over.
    pub(super) fn write_used(&self, out: &mut Vec<u8>) {
        let used = || self.list.iter().enumerate().filter(|(_, category)| category.visits > 0);
        put(out, used().count() as u64);
        let mut next = 0;
        for (place, category) in used() {
            put(out, (place - next) as u64);
            put_id(out, &category.id, 0);
            next = place + 1;
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let count = reader.count()?;
        let mut categories = Self { list: Vec::with_capacity(count), text_bytes: 0 };
        for _ in 0..count {
            let (id, _) = take_id(reader)?;
            let lifetime = u32::try_from(reader.unsigned()?).ok()?;
            let visits = u32::try_from(reader.unsigned()?).ok()?;
            categories.text_bytes += id.heap_bytes();
            categories.list.push(Category { id, lifetime, window: 0, recent: 0, visits });
        }
        Some(categories)
    }
}

/// The actions that the visits kept name.
#[derive(Debug, Clone, Default)]
pub(super) struct Actions {
    list: Vec<Action>,
}

#[derive(Debug, Clone)]
struct Action {
    text: Box<str>,
    visits: u32,
}

impl Actions {
    pub(super) fn bytes(&self) -> usize {
        self.list.iter().map(|action| action.text.len() + size_of::<Action>()).sum()
    }

    pub(super) fn text(&self, place: usize) -> Option<&str> {
        self.list.get(place).map(|action| &*action.text)
    }

    /// How many of the visits have the action at this place.
    pub(super) fn visits(&self) -> impl Iterator<Item = u32> {
        self.list.iter().map(|action| action.visits)
    }

    /// The action's place, for one more visit.
    pub(super) fn place(&mut self, text: &str) -> usize {
        let place = self.list.iter().position(|action| *action.text == *text);
        let place = place.unwrap_or_else(|| {
            let action = Action { text: text.into(), visits: 0 };
            match self.list.iter().position(|action| action.visits == 0) {
                Some(free) => {
                    self.list[free] = action;
                    free
                }
                None => {
                    self.list.push(action);
                    self.list.len() - 1
                }
            }
        });
        self.list[place].visits += 1;
        place
    }

    pub(super) fn gone(&mut self, place: usize) {
        if let Some(action) = self.list.get_mut(place) {
            action.visits = action.visits.saturating_sub(1);
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put(out, self.list.len() as u64);
        for action in &self.list {
            put(out, action.text.len() as u64);
            out.extend_from_slice(action.text.as_bytes());
            put(out, u64::from(action.visits));
        }
    }

    /// Appends those that a visit has, each behind the number of places passed over.
    pub(super) fn write_used(&self, out: &mut Vec<u8>) {
        let used = || self.list.iter().enumerate().filter(|(_, action)| action.visits > 0);
        put(out, used().count() as u64);
        let mut next = 0;
        for (place, action) in used() {
            put(out, (place - next) as u64);
            put(out, action.text.len() as u64);
            out.extend_from_slice(action.text.as_bytes());
            next = place + 1;
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let count = reader.count()?;
        let mut list = Vec::with_capacity(count);
        for _ in 0..count {
            let length = reader.count()?;
            let text = std::str::from_utf8(reader.bytes(length)?).ok()?.into();
            list.push(Action { text, visits: u32::try_from(reader.unsigned()?).ok()? });
        }
        Some(Self { list })
    }
}
