//! Check-ins at places: Foursquare (NYC, Tokyo), Gowalla, Brightkite.

use std::path::PathBuf;

use super::{Files, Layout, Shape};
use crate::error::Result;
use crate::text::Delimiter;

/// Foursquare's `dataset_TSMC2014_*.txt`, in Latin-1. The category is the name: its id says the same.
const FOURSQUARE: &[&str] = &[
    "user_id",
    "venue_id",
    "venue_category_id",
    "venue_category_name",
    "latitude",
    "longitude",
    "timezone_offset",
    "utc_time",
];
/// `*_totalCheckins.txt`.
const GOWALLA: &[&str] = &["user", "check-in time", "latitude", "longitude", "location id"];

pub(super) fn foursquare_by_name(files: &Files) -> Result<Option<Layout>> {
    Ok(files.only(|name| name.starts_with("dataset_tsmc2014_") && name.ends_with(".txt"))?.map(venues))
}

pub(super) fn foursquare(files: &Files) -> Result<Option<Layout>> {
    Ok(foursquare_by_name(files)?.or_else(|| files.file().map(|file| venues(file.to_owned()))))
}

pub(super) fn venues(file: PathBuf) -> Layout {
    let mut layout = Layout::new("foursquare", vec![file], Shape::fixed(Delimiter::TAB, FOURSQUARE));
    layout.roles.category = &[&["venuecategoryname"]];
    layout
}

pub(super) fn gowalla_by_name(files: &Files) -> Result<Option<Layout>> {
    Ok(files.only(|name| name.ends_with("_totalcheckins.txt"))?.map(locations))
}

pub(super) fn gowalla(files: &Files) -> Result<Option<Layout>> {
    Ok(gowalla_by_name(files)?.or_else(|| files.file().map(|file| locations(file.to_owned()))))
}

pub(super) fn locations(file: PathBuf) -> Layout {
    Layout::new("gowalla", vec![file], Shape::fixed(Delimiter::TAB, GOWALLA))
}
