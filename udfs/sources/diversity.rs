/*
[dependencies]
arroyo-udf-common = "=0.2.1"
serde = { version = "1", features = ["derive"] }
serde_json = "1"
*/

use arroyo_udf_plugin::udf;
use diversity::Totals;
use window::{WindowFeatures, WindowRow, RECENT};

/// The diversity features of a window of one user's events, as JSON text with the fields of a
/// feature record.
///
/// `partition` and `offset` say which event a row is, in which order events came, and that a
/// repeated one counts once. `category` is any integer that stands for the category. `tail` is 1 for
/// an event whose item was long-tail when it arrived, 0 for another, NULL where that is not known;
/// one NULL makes `tail_ratio` null. A row without partition, offset or category is left out.
#[udf]
fn diversity(
    partition: Vec<Option<i64>>,
    offset: Vec<Option<i64>>,
    category: Vec<Option<i64>>,
    tail: Vec<Option<i64>>,
) -> Option<String> {
    let rows = partition.into_iter().zip(offset).zip(category).zip(tail);
    let rows = rows.filter_map(|(((partition, offset), category), tail)| {
        Some(WindowRow {
            partition: partition?,
            offset: offset?,
            category: category?,
            tail: tail.map(|tail| tail != 0),
        })
    });
    serde_json::to_string(&WindowFeatures::of(rows.collect(), RECENT)).ok()
}

#[allow(dead_code)]
#[path = "../../features/src/diversity.rs"]
mod diversity;

#[path = "../../features/src/window.rs"]
mod window;
