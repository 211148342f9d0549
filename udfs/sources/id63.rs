/*
[dependencies]
arroyo-udf-common = "=0.2.1"
*/

use arroyo_udf_plugin::udf;

/// The integer that stands for an id in a column of type JSON; NULL for what is no id.
#[udf]
fn id63(json: &str) -> Option<i64> {
    id63::json_id(json).map(id63::id63)
}

#[path = "../../features/src/id63.rs"]
mod id63;
