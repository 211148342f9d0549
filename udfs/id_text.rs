// Made by 'make udfs' from udfs/sources/id_text.rs: change that, not this.

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
mod id63 {
    //! The integer that stands for an id where an engine's functions take integers alone.

    /// The longest string identifier, in bytes of UTF-8.
    pub const MAX_ID_BYTES: usize = 128;

    /// The integer that stands for an id, from 0 to 2⁶³ − 1: an integer id itself, and of another id the
    /// FNV-1a hash of its bytes (64 bits) without the highest bit. Two of a window's k ids share one
    /// with probability k² / 2⁶⁴ about; state and messages carry ids, never this.
    pub fn id63(text: &str) -> i64 {
        match canonical_decimal(text) {
            Some(value) => value as i64,
            None => (fnv_1a(text.as_bytes()) & i64::MAX as u64) as i64,
        }
    }

    /// The text of an id that stands in a JSON document: of `42` and `"42"` it is `42`. None for what is
    /// no id.
    ///
    /// `json` is what Arroyo gives for a column of type JSON: a number as it stands, a string between
    /// quotes with its escapes already undone.
    pub fn json_id(json: &str) -> Option<&str> {
        let quoted = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        match quoted {
            Some(text) => Some(text).filter(|text| (1..=MAX_ID_BYTES).contains(&text.len())),
            None => canonical_decimal(json).map(|_| json),
        }
    }

    /// The integer that a string spells, where it is an integer id in its shortest form.
    pub fn canonical_decimal(text: &str) -> Option<u64> {
        let canonical = text == "0" || !text.starts_with('0');
        if !canonical || !text.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        text.parse().ok().filter(|&value| value <= i64::MAX as u64)
    }

    /// Fowler, Noll and Vo, variant 1a, 64 bits (draft-eastlake-fnv).
    fn fnv_1a(bytes: &[u8]) -> u64 {
        bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }
}
