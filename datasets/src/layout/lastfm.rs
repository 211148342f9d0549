//! Last.fm 1K: who listened to which track when. The 360K edition counts plays and has no times.

use std::path::PathBuf;

use super::{Files, Layout, Shape};
use crate::error::{Error, Result};
use crate::text::Delimiter;

const FILE: &str = "userid-timestamp-artid-artname-traid-traname.tsv";
const PLAYS: [&str; 2] = ["usersha1-artmbid-artname-plays.tsv", "usersha1-profile.tsv"];
const COLUMNS: &[&str] = &["user_id", "timestamp", "artist_id", "artist_name", "track_id", "track_name"];

pub(super) fn by_name(files: &Files) -> Result<Option<Layout>> {
    if let Some(plays) = PLAYS.iter().find_map(|name| files.named(name)) {
        let problem = "Last.fm 360K counts plays and has no times, so there is no order to learn from";
        return Err(Error::unclear(&plays, problem, format!("take the edition 1K: {FILE}")));
    }
    Ok(files.named(FILE).map(tracks))
}

pub(super) fn find(files: &Files) -> Result<Option<Layout>> {
    Ok(by_name(files)?.or_else(|| files.file().map(|file| tracks(file.to_owned()))))
}

/// The item is the track, its category the artist.
pub(super) fn tracks(file: PathBuf) -> Layout {
    let mut layout = Layout::new("lastfm", vec![file], Shape::fixed(Delimiter::TAB, COLUMNS));
    layout.roles.item = &[&["trackid"]];
    layout.roles.category = &[&["artistname"]];
    layout
}
