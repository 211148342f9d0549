/*
[dependencies]
arroyo-udf-common = "=0.2.1"
*/

use arroyo_udf_plugin::udf;

/// The text of an id in a column of type JSON, as it stands in a Kafka key; NULL for what is no id.
#[udf]
fn id_text(json: &str) -> Option<String> {
    id63::json_id(json).map(str::to_owned)
}

#[allow(dead_code)]
#[path = "../../features/src/id63.rs"]
mod id63;
