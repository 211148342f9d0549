//! The windows and their features, from the definition.

use std::collections::{BTreeMap, BTreeSet};

use hmisr_features::{RECENT, WindowFeatures, WindowRow};
use serde_json::{Value, json};

use crate::Rows;
use crate::input::Visit;

/// Which visits stand in which window of which key.
type Windows<'a> = BTreeMap<(String, i64, i64), Vec<&'a Visit>>;

/// Windows of `width` that begin at every multiple of `slide`.
pub fn hops(visits: &[Visit], slide: i64, width: i64) -> Rows {
    features(hopping(visits, slide, width, |visit| visit.user.to_string()))
}

fn hopping(visits: &[Visit], slide: i64, width: i64, key: impl Fn(&Visit) -> String) -> Windows<'_> {
    let mut windows = Windows::new();
    for visit in visits {
        let mut start = visit.ts.div_euclid(slide) * slide;
        while start + width > visit.ts {
            windows.entry((key(visit), start, start + width)).or_default().push(visit);
            start -= slide;
        }
    }
    windows
}

/// Runs of a user's visits with less than `gap` between neighbours in time.
pub fn sessions(visits: &[Visit], gap: i64) -> Rows {
    let mut users: BTreeMap<String, Vec<&Visit>> = BTreeMap::new();
    for visit in visits {
        users.entry(visit.user.to_string()).or_default().push(visit);
    }
    let mut windows = Windows::new();
    for (user, mut visits) in users {
        visits.sort_by_key(|visit| visit.ts);
        for session in visits.chunk_by(|a, b| b.ts - a.ts < gap) {
            let (first, last) = (session[0].ts, session[session.len() - 1].ts);
            windows.insert((user.clone(), first, last + gap), session.to_vec());
        }
    }
    features(windows)
}

fn features(windows: Windows<'_>) -> Rows {
    let row = |visit: &&Visit| WindowRow {
        partition: visit.partition,
        offset: visit.offset,
        category: visit.category63(),
        tail: visit.tail,
    };
    let of = |visits: Vec<&Visit>| {
        let once: BTreeMap<i64, &Visit> = visits.iter().map(|visit| (visit.offset, *visit)).collect();
        let features = WindowFeatures::of(once.values().map(row).collect(), RECENT);
        let mut features = serde_json::to_value(features).unwrap();
        features["records"] = json!(visits.len());
        features
    };
    windows.into_iter().map(|(key, visits)| (key, of(visits))).collect()
}

/// Events, users and items of each category in windows of `width`.
pub fn popularity(visits: &[Visit], width: i64) -> Rows {
    let distinct = |visits: &[&Visit], of: fn(&Visit) -> String| -> usize {
        visits.iter().map(|visit| of(visit)).collect::<BTreeSet<_>>().len()
    };
    let row = |visits: &[&Visit]| -> Value {
        json!({
            "events": visits.len(),
            "users": distinct(visits, |visit| visit.user.to_string()),
            "items": distinct(visits, |visit| visit.item.to_string()),
        })
    };
    let windows = hopping(visits, width, width, |visit| visit.category.to_string());
    windows.into_iter().map(|(key, visits)| (key, row(&visits))).collect()
}
