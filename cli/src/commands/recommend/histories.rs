//! Where the histories of `hmisr recommend` come from: a job's stores, or events held in memory.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use hmisr_features::{FeatureSettings, Features, UserState, Visit};
use hmisr_feed::EventLine;
use hmisr_pipeline::plausible;
use hmisr_state::{Resources, StoreReader};
use hmisr_stream::contract::{Event, Example, Id, Reason, Rejections};

use super::args::RecommendArgs;
use crate::commands::state::{stores, written_under};
use crate::config::Config;
use crate::failure::Failure;
use crate::outcome::Outcome;
use crate::terminal;

/// What is known of a user.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The newest events, oldest first.
    pub events: Vec<hmisr_recommend::Event>,
    /// The features, as the job's state tells them; none where they follow from the events.
    pub features: Option<Features>,
}

/// Users' histories.
pub enum Histories {
    /// The stores of a stopped job, in the order of their partitions.
    Kept {
        /// The stores.
        stores: Vec<StoreReader>,
        /// How they compute features.
        features: FeatureSettings,
    },
    /// Events of files.
    Read {
        /// By user.
        users: HashMap<Id, History>,
        /// Events that were read and are in no history: older than those that are kept of their user.
        left_out: u64,
        /// What became of the events.
        outcome: Outcome,
    },
}

impl Histories {
    /// Opens the stores, or reads the events, of which those of `only` these users are held, where that is given;
    /// none where `stop` was set meanwhile.
    ///
    /// # Errors
    /// Where there are none, or they cannot be read.
    pub fn open(
        config: &Config,
        args: &RecommendArgs,
        only: Option<&HashSet<&Id>>,
        stop: &AtomicBool,
    ) -> Result<Option<Self>, Failure> {
        match (&args.state, &args.events) {
            (Some(folder), _) => kept(config, folder).map(Some),
            (None, Some(path)) => read(config, args, path, only, stop),
            (None, None) => Err(Failure::user("--state or --events: name where the histories are")),
        }
    }

    /// The time of the newest event that was read; none of stores, whose job may go on.
    pub fn newest_ts(&self) -> Option<i64> {
        match self {
            Self::Kept { .. } => None,
            Self::Read { users, .. } => {
                users.values().filter_map(|history| history.events.last()).map(|event| event.ts).max()
            }
        }
    }

    /// How many users there are, about.
    pub fn users(&self) -> Result<usize, Failure> {
        match self {
            Self::Kept { stores, .. } => {
                let mut users = 0;
                for store in stores {
                    users += store.figures()?.users;
                }
                Ok(usize::try_from(users).unwrap_or(usize::MAX))
            }
            Self::Read { users, .. } => Ok(users.len()),
        }
    }

    /// A user's history; none where there is no such user. Of one in several stores the newest, as look-ups tell it.
    pub fn of(&self, id: &Id) -> Result<Option<History>, Failure> {
        let (stores, features) = match self {
            Self::Kept { stores, features } => (stores, features),
            Self::Read { users, .. } => return Ok(users.get(id).cloned()),
        };
        let mut newest: Option<UserState> = None;
        for store in stores {
            let Some(found) = store.user(id)? else { continue };
            if newest.as_ref().is_none_or(|known| known.newest_ts() < found.user.newest_ts()) {
                newest = Some(found.user);
            }
        }
        Ok(newest.as_ref().map(|user| history(user, features)))
    }

    /// Calls `visit` with every user and history, in the order of partition and id.
    pub fn for_each(&self, mut visit: impl FnMut(Id, History) -> Result<(), Failure>) -> Result<(), Failure> {
        let (stores, features) = match self {
            Self::Kept { stores, features } => (stores, features),
            Self::Read { users, .. } => {
                let mut ids: Vec<&Id> = users.keys().collect();
                ids.sort_unstable();
                return ids
                    .into_iter()
                    .try_for_each(|id| visit(id.clone(), users.get(id).cloned().unwrap_or_default()));
            }
        };
        for (at, store) in stores.iter().enumerate() {
            store.for_each_user::<Failure>(|id, user| match is_told_by(stores, at, &id, user)? {
                true => visit(id, history(user, features)),
                false => Ok(()),
            })?;
        }
        Ok(())
    }
}

/// Whether the state of a user in the store at `at` is the newest, of equals the first.
fn is_told_by(stores: &[StoreReader], at: usize, id: &Id, user: &UserState) -> Result<bool, Failure> {
    for (other, store) in stores.iter().enumerate().filter(|(other, _)| *other != at) {
        let Some(found) = store.user(id)? else { continue };
        let (theirs, ours) = (found.user.newest_ts(), user.newest_ts());
        if theirs > ours || (theirs == ours && other < at) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn history(user: &UserState, features: &FeatureSettings) -> History {
    let event = |visit: Visit<'_>| hmisr_recommend::Event {
        item: visit.item,
        ts: visit.ts,
        action: visit.action.into(),
        weight: visit.weight,
    };
    History { events: user.visits().map(event).collect(), features: Some(user.features(features)) }
}

fn kept(config: &Config, folder: &Path) -> Result<Histories, Failure> {
    let resources = Resources::new(config.state.clone());
    let mut readers = Vec::new();
    for path in stores(folder)? {
        written_under(config, &path, &resources)?;
        readers.push(StoreReader::open(&path, &config.features, &resources)?);
    }
    Ok(Histories::Kept { stores: readers, features: config.features.clone() })
}

/// Events between two looks at whether to stop.
const AT_ONCE: u64 = 4_096;

fn read(
    config: &Config,
    args: &RecommendArgs,
    path: &Path,
    only: Option<&HashSet<&Id>>,
    stop: &AtomicBool,
) -> Result<Option<Histories>, Failure> {
    let mut source =
        hmisr_feed::open(path, args.reading.format.unwrap_or_default(), &args.reading.options())?;
    crate::reading::accept(source.summary().as_ref(), args.least)?;
    let bar = terminal::bar(1_000, "{wide_bar} {msg} events read");
    let most = config.pipeline.visits_kept();
    let (mut users, mut rejections) = (HashMap::new(), Rejections::default());
    let (mut lines, mut used, mut left_out) = (0_u64, 0_u64, 0_u64);
    while let Some(line) = source.next() {
        let EventLine { payload, .. } = line?;
        lines += 1;
        if lines.is_multiple_of(AT_ONCE) {
            if stop.load(Ordering::Relaxed) {
                bar.finish_and_clear();
                return Ok(None);
            }
            bar.set_position((source.share_read().unwrap_or_default() * 1_000.0) as u64);
            bar.set_message(lines.to_string());
        }
        match decoded(config, &payload) {
            Ok(event) => {
                used += 1;
                let Event { user_id, item_id, ts, action, weight, .. } = event;
                if only.is_none_or(|only| only.contains(&user_id)) {
                    let event = hmisr_recommend::Event { item: item_id, ts, action: action.into(), weight };
                    left_out += u64::from(enter(users.entry(user_id).or_default(), event, most));
                }
            }
            Err((reason, message)) => {
                let place =
                    source.place().map_or_else(|| format!("event {lines}"), |place| place.to_string());
                rejections.add(reason.as_str(), || Example::at(place, &payload, &message));
            }
        }
    }
    bar.finish_and_clear();
    let outcome = Outcome::new("events", "read", used, &rejections);
    let history = |events: VecDeque<_>| History { events: events.into(), features: None };
    let users = users.into_iter().map(|(id, events)| (id, history(events))).collect();
    Ok(Some(Histories::Read { users, left_out, outcome }))
}

fn decoded(config: &Config, payload: &[u8]) -> Result<Event, (Reason, String)> {
    let event = Event::decode(payload)?;
    match plausible::refusal(&config.features, event.ts) {
        Some(message) => Err((Reason::ImplausibleTime, message)),
        None => Ok(event),
    }
}

/// Enters an event where its time puts it, after those of the same time, and keeps the newest; whether one is left
/// out for that, the oldest.
fn enter(history: &mut VecDeque<hmisr_recommend::Event>, event: hmisr_recommend::Event, most: usize) -> bool {
    let at = history.iter().rposition(|other| other.ts <= event.ts).map_or(0, |at| at + 1);
    if history.len() < most {
        history.insert(at, event);
        return false;
    }
    if at > 0 {
        history.pop_front();
        history.insert(at - 1, event);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_events_are_kept_in_the_order_of_their_times() {
        let mut history = VecDeque::new();
        let mut left_out = 0;
        for (item, ts) in [(1, 50), (2, 10), (3, 50), (4, 70), (5, 5), (6, 60)] {
            let event = hmisr_recommend::Event::new(Id::from(item as u32), ts);
            left_out += u32::from(enter(&mut history, event, 4));
        }
        assert_eq!(left_out, 2);
        let kept: Vec<(u64, i64)> =
            history.iter().map(|event| (event.item.as_int().unwrap(), event.ts)).collect();
        assert_eq!(kept, [(1, 50), (3, 50), (6, 60), (4, 70)]);
    }

    #[test]
    fn an_event_takes_as_much_as_the_help_says() {
        assert_eq!(size_of::<hmisr_recommend::Event>(), 56);
    }
}
