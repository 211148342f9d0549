//! MovieLens in its own layouts. Every rating is an interaction; categories are the genres.
//!
//! | edition | ratings | films |
//! |---|---|---|
//! | 100K | `u.data`: user, item, rating, seconds between tabs | `u.item`: `\|`, one flag a genre from column 6 |
//! | 1M, 10M | `ratings.dat`: the same between `::` | `movies.dat`: item::title::genre\|genre, Latin-1 |
//! | 20M, 25M, 32M, latest | `ratings.csv` with a header | `movies.csv`: movieId,title,genres |

use std::path::{Path, PathBuf};

use super::{Columns, Files, Items, Layout, Names, Pick, Shape};
use crate::error::{Error, Result};
use crate::text::{Delimiter, Head};

const RATINGS: &[&str] = &["user", "item", "rating", "timestamp"];
const FIRST: Names = &[&["item"]];
const GENRES: Names = &[&["genres"]];
/// Of `u.genre`, which a copy may lack.
const OLD_GENRES: [&str; 19] = [
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
];
/// The column of `u.item` in which the first genre's flag stands.
const FIRST_FLAG: usize = 5;

/// By the names of the files alone.
pub(super) fn by_name(files: &Files) -> Result<Option<Layout>> {
    if let Some(ratings) = files.named("ratings.dat") {
        return dat(ratings).map(Some);
    }
    if let Some(ratings) = files.named("u.data") {
        return Ok(Some(old(ratings)));
    }
    match files.named("ratings.csv") {
        Some(ratings) if is_new(&ratings)? => Ok(Some(new(ratings))),
        _ => Ok(None),
    }
}

/// The same, and a file of another name by what is in it.
pub(super) fn find(files: &Files) -> Result<Option<Layout>> {
    if let Some(layout) = by_name(files)? {
        return Ok(Some(layout));
    }
    let Some(file) = files.file().filter(|file| file.extension().is_none_or(|ending| ending != "inter"))
    else {
        return Ok(None);
    };
    Ok(Some(match super::plain_ending(file).as_deref() {
        Some("csv") => new(file.to_owned()),
        Some("data" | "base" | "test") => old(file.to_owned()),
        _ => dat(file.to_owned())?,
    }))
}

/// `ratings.dat` with `movies.dat`.
pub(super) fn dat(ratings: PathBuf) -> Result<Layout> {
    let Some(movies) = Files::beside(&ratings, "movies.dat") else {
        let movies = ratings.with_file_name("movies.dat");
        let expected = "the films' genres in it, which become the categories";
        return Err(Error::input(&movies, "no such file beside the ratings", expected));
    };
    let shape = Shape::fixed(Delimiter::Colons, &["item", "title", "genres"]);
    let items = Items { path: movies, shape, item: FIRST, category: GENRES, pick: Pick::Last };
    Ok(ratings_of(ratings, Shape::fixed(Delimiter::Colons, RATINGS), vec![items]))
}

/// `u.data`, with `u.item` where it is there.
pub(super) fn old(ratings: PathBuf) -> Layout {
    let names = Files::beside(&ratings, "u.genre").and_then(|path| genres(&path));
    let names = names.unwrap_or_else(|| OLD_GENRES.map(str::to_owned).to_vec());
    let items = Files::beside(&ratings, "u.item").map(|path| Items {
        path,
        shape: Shape::Table { delimiter: Delimiter::BAR, quoting: false, columns: Columns::Numbers },
        item: &[&["1"]],
        category: &[],
        pick: Pick::Flags(FIRST_FLAG, names),
    });
    ratings_of(ratings, Shape::fixed(Delimiter::TAB, RATINGS), items.into_iter().collect())
}

/// `ratings.csv`, with `movies.csv` where it is there.
fn new(ratings: PathBuf) -> Layout {
    let items = Files::beside(&ratings, "movies.csv").map(|path| Items {
        path,
        shape: Shape::CSV,
        item: &[&["movieid"]],
        category: GENRES,
        pick: Pick::Column,
    });
    ratings_of(ratings, Shape::CSV, items.into_iter().collect())
}

fn ratings_of(ratings: PathBuf, shape: Shape, items: Vec<Items>) -> Layout {
    Layout { items, action: Some("rate"), ..Layout::new("movielens", vec![ratings], shape) }
}

/// Whether a `ratings.csv` is MovieLens', and not another one's.
fn is_new(ratings: &Path) -> Result<bool> {
    let rows = Head::read(ratings)?.rows(Delimiter::COMMA, true)?;
    Ok(rows.first().is_some_and(|header| header.iter().any(|name| super::plain(name) == "movieid")))
}

/// The names of `u.genre`, `name|number` a line, in the order of their numbers.
fn genres(path: &Path) -> Option<Vec<String>> {
    let rows = Head::read(path).ok()?.rows(Delimiter::BAR, false).ok()?;
    let mut named: Vec<(usize, String)> =
        rows.into_iter().filter_map(|row| Some((row.get(1)?.parse().ok()?, row.first()?.clone()))).collect();
    named.sort();
    let whole = !named.is_empty() && named.iter().enumerate().all(|(at, (number, _))| at == *number);
    whole.then(|| named.into_iter().map(|(_, name)| name).collect())
}
