//! A record's bytes as JSON.

use hmisr_stream::contract::Reason;
use serde_json::Value;

use super::mend::mended;
pub(super) use super::mend::unreadable;

/// What a schema registry's clients put before a payload: a byte 0 and the schema's id, four bytes.
const PREFIX_BYTES: usize = 5;

/// A payload that was read.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) value: Value,
    /// The id of a schema registry's prefix that stood before it.
    pub(super) schema_id: Option<u32>,
}

/// Reads JSON; a byte order mark and a schema registry's prefix before it are skipped.
pub(super) fn parse(bytes: &[u8]) -> Result<Payload, (Reason, String)> {
    let (schema_id, json) = without_prefix(bytes);
    let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
    let value = serde_json::from_slice(json);
    // Only what is not JSON is read twice.
    let value = value.or_else(|error| serde_json::from_slice(&mended(json)).map_err(|_| error));
    match value {
        Ok(value) => Ok(Payload { value, schema_id }),
        Err(error) => Err((Reason::Malformed, told(bytes, schema_id, &error))),
    }
}

/// The schema's id, where a schema registry's client wrote one, and what comes after it.
fn without_prefix(bytes: &[u8]) -> (Option<u32>, &[u8]) {
    match bytes {
        [0, a, b, c, d, ..] => (Some(u32::from_be_bytes([*a, *b, *c, *d])), &bytes[PREFIX_BYTES..]),
        _ => (None, bytes),
    }
}

/// What is wrong with bytes that are not JSON.
fn told(bytes: &[u8], schema_id: Option<u32>, error: &serde_json::Error) -> String {
    const KNOWN: [(&[u8], &str); 3] =
        [(b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"Obj\x01", "an Avro file")];
    if let Some(id) = schema_id {
        return format!(
            "Avro or Protobuf after a schema registry's prefix (schema {id}): only JSON is read; have the producer write JSON, or convert the topic with its schema"
        );
    }
    match KNOWN.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        Some((_, name)) => format!("the payload itself is {name}, and only JSON is read"),
        None => format!("no JSON: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn marks_and_prefixes_are_skipped() {
        let plain = parse(br#"{"a": 1}"#).unwrap();
        assert_eq!((&plain.value["a"], plain.schema_id), (&1.into(), None));
        let marked = parse(b"\xef\xbb\xbf{\"a\": 1}").unwrap();
        assert_eq!(marked.value, plain.value);
        let prefixed = parse(b"\x00\x00\x00\x01\x02{\"a\": 1}").unwrap();
        assert_eq!((prefixed.value, prefixed.schema_id), (plain.value, Some(258)));
    }

    #[test]
    fn what_is_something_else_is_named() {
        for (bytes, told) in [
            (&b"\x00\x00\x00\x00\x07\x0cu1\x02"[..], "schema 7"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"nonsense", "no JSON"),
            (b"", "no JSON"),
            (b"\x00\x01", "no JSON"),
        ] {
            let (reason, text) = parse(bytes).unwrap_err();
            assert!(reason == Reason::Malformed && text.contains(told), "{bytes:?}: {text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_told(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(&bytes);
        }
    }
}
