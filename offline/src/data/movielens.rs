//! MovieLens in its original layout: `ratings.dat` (user::item::rating::seconds) and `movies.dat`
//! (item::title::genre|genre), in Latin-1. Every rating is an interaction.

use std::path::Path;

use super::Dataset;
use super::builder::Builder;
use super::table::Colons;
use crate::error::{Error, Result};

pub(super) fn load(ratings: &Path, name: String) -> Result<Dataset> {
    let movies = ratings.with_file_name("movies.dat");
    if !movies.is_file() {
        return Err(Error::input(&movies, "no such file beside the ratings", "the films' genres in it"));
    }
    let mut builder = Builder::default();
    let mut rows = Colons::open(&movies)?;
    while let Some(row) = rows.next()? {
        // A title may itself contain `::`.
        if row.fields.len() < 3 {
            row.expect_fields(3, "item::title::genres")?;
        }
        let item = row.id(0, "item")?;
        builder.categorise(&item, row.text(row.fields.len() - 1).split('|'));
    }
    let mut rows = Colons::open(ratings)?;
    while let Some(row) = rows.next()? {
        row.expect_fields(4, "user::item::rating::seconds")?;
        builder.push(row.id(0, "user")?, row.id(1, "item")?, row.millis(3, "seconds")?, b"");
    }
    builder.finish(ratings, name)
}
