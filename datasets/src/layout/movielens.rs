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
        return old(ratings).map(Some);
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
        Some("data" | "base" | "test") => old(file.to_owned())?,
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
pub(super) fn old(ratings: PathBuf) -> Result<Layout> {
    let mut items = Vec::new();
    if let Some(path) = Files::beside(&ratings, "u.item") {
        let films = Head::read(&path)?.rows(Delimiter::BAR, false)?;
        let flags = films.first().map_or(0, |film| film.len().saturating_sub(FIRST_FLAG));
        let names = match Files::beside(&ratings, "u.genre") {
            Some(named) => genres(&named, flags)?,
            None if flags == OLD_GENRES.len() => OLD_GENRES.map(str::to_owned).to_vec(),
            None => {
                let problem =
                    format!("a film has {flags} flags of genres, and there is no u.genre that names them");
                return Err(Error::input(&path, problem, "the 19 flags of MovieLens 100K, from column 6 on"));
            }
        };
        items.push(Items {
            path,
            shape: Shape::Table { delimiter: Delimiter::BAR, quoting: false, columns: Columns::Numbers },
            item: &[&["1"]],
            category: &[],
            pick: Pick::Flags(FIRST_FLAG, names),
        });
    }
    Ok(ratings_of(ratings, Shape::fixed(Delimiter::TAB, RATINGS), items))
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

/// The names of `u.genre`, `name|number` a line, in the order of their numbers: one for each of a film's flags.
fn genres(path: &Path, flags: usize) -> Result<Vec<String>> {
    let refused = |problem: String| {
        let expected = format!(
            "lines such as Action|1, one for each of u.item's {flags} flags; without this file the usual names count"
        );
        Err(Error::input(path, problem, expected))
    };
    let mut named: Vec<(usize, String)> = Vec::new();
    for row in Head::read(path)?.rows(Delimiter::BAR, false)? {
        match (row.first(), row.get(1).and_then(|number| number.trim().parse().ok())) {
            (Some(name), Some(number)) => named.push((number, name.clone())),
            _ if row.iter().all(|cell| cell.trim().is_empty()) => {}
            _ => return refused(format!("{:?} is no genre", row.join("|"))),
        }
    }
    named.sort();
    if !named.iter().map(|(number, _)| *number).eq(0..flags) {
        let numbers: Vec<String> = named.iter().map(|(number, _)| number.to_string()).collect();
        return refused(format!("it names the genres {}", numbers.join(", ")));
    }
    Ok(named.into_iter().map(|(_, name)| name).collect())
}
