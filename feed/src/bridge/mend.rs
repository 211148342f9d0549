//! JSON that producers write although it is none, mended so that the rest of it can be read.
//!
//! A field that nobody maps must not refuse a record: what cannot be read is put in as a marker, and
//! refused only where it is asked for.

use serde_json::Value;

/// The name of a marker's only field.
const MARKER: &str = "\u{0}unreadable";
/// How deep lists and objects are read; serde_json reads 127.
const DEPTH: usize = 100;

/// What is wrong with a value that could not be read.
pub(super) fn unreadable(value: &Value) -> Option<&str> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object.get(MARKER)?.as_str()
}

/// The same document with these in place of what JSON does not allow: of a text with half a pair of
/// UTF-16, bytes that are no UTF-8, control characters or unknown escapes, of a number beyond every
/// float, of infinities and of what is nested too deeply, a marker; of `NaN` null. Anything else stays,
/// right or wrong.
pub(super) fn mended(json: &[u8]) -> Vec<u8> {
    let mut mender = Mender { json, at: 0, out: Vec::with_capacity(json.len() + 64), depth: 0 };
    while mender.step() {}
    mender.out
}

struct Mender<'a> {
    json: &'a [u8],
    at: usize,
    out: Vec<u8>,
    depth: usize,
}

impl Mender<'_> {
    /// One token or byte; whether there was one.
    fn step(&mut self) -> bool {
        let Some(&byte) = self.json.get(self.at) else { return false };
        match byte {
            b'"' => self.text(),
            b'[' | b'{' if self.depth >= DEPTH => {
                self.skip_nested();
                self.mark("is nested too deeply");
            }
            b'[' | b'{' => {
                self.depth += 1;
                self.copy(1);
            }
            b']' | b'}' => {
                self.depth = self.depth.saturating_sub(1);
                self.copy(1);
            }
            b'-' | b'+' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => self.word(),
            _ => self.copy(1),
        }
        true
    }

    fn copy(&mut self, bytes: usize) {
        let end = (self.at + bytes).min(self.json.len());
        self.out.extend_from_slice(&self.json[self.at..end]);
        self.at = end;
    }

    fn mark(&mut self, problem: &str) {
        let marker = serde_json::json!({ MARKER: problem }).to_string();
        self.out.extend_from_slice(marker.as_bytes());
    }

    /// A number or a literal.
    fn word(&mut self) {
        let rest = &self.json[self.at..];
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        let length = rest.iter().take_while(is_part).count();
        let word = std::str::from_utf8(&rest[..length]).unwrap_or_default();
        let is_number = word.trim_start_matches('-').starts_with(|first: char| first.is_ascii_digit());
        match word {
            "NaN" | "-NaN" | "nan" => self.out.extend_from_slice(b"null"),
            "Infinity" | "-Infinity" | "+Infinity" | "inf" | "-inf" => self.mark("is no finite number"),
            _ if is_number && word.parse().is_ok_and(f64::is_infinite) => {
                self.mark("is a number beyond every float");
            }
            _ => return self.copy(length),
        }
        self.at += length;
    }

    /// A text, from its quote on.
    fn text(&mut self) {
        let length = text_length(&self.json[self.at..]);
        let written = &self.json[self.at..self.at + length];
        let Some(problem) = problem_of(written) else { return self.copy(length) };
        let after = &self.json[self.at + length..];
        let is_name = after.trim_ascii_start().first() == Some(&b':');
        self.at += length;
        match is_name {
            // No setting can name it, so any name will do.
            true => self.out.extend_from_slice(b"\"\\u0000\""),
            false => self.mark(problem),
        }
    }

    /// Goes over a list or object and all within it.
    fn skip_nested(&mut self) {
        let mut depth = 0_usize;
        while let Some(&byte) = self.json.get(self.at) {
            match byte {
                b'"' => {
                    self.at += text_length(&self.json[self.at..]);
                    continue;
                }
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }
}

/// The bytes of a text with its quotes, or all that is left where it is not closed.
fn text_length(json: &[u8]) -> usize {
    let mut at = 1;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len()
}

/// Why serde_json would not read a text.
fn problem_of(written: &[u8]) -> Option<&'static str> {
    if serde_json::from_slice::<String>(written).is_ok() {
        return None;
    }
    match std::str::from_utf8(written) {
        Err(_) => Some("is not UTF-8"),
        Ok(text) if text.len() < 2 || !text.ends_with('"') => None,
        Ok(text) if text.contains("\\u") => {
            Some("has half an emoji in it (a lone surrogate) or another wrong escape")
        }
        Ok(_) => Some("has a control character or a wrong escape in it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(json: &str) -> Value {
        serde_json::from_slice(&mended(json.as_bytes())).unwrap()
    }

    #[test]
    fn what_cannot_be_read_is_marked_and_the_rest_stays() {
        for (json, told) in [
            (r#"{"a": "caf\ud83d", "b": 1}"#, "half an emoji"),
            (r#"{"a": "\ude00", "b": 1}"#, "half an emoji"),
            ("{\"a\": \"tab\there\", \"b\": 1}", "control character"),
            (r#"{"a": "\x41", "b": 1}"#, "escape"),
            (r#"{"a": 1e999, "b": 1}"#, "beyond"),
            (r#"{"a": -1e999, "b": 1}"#, "beyond"),
            (r#"{"a": Infinity, "b": 1}"#, "finite"),
            (r#"{"a": -Infinity, "b": 1}"#, "finite"),
        ] {
            let value = read(json);
            assert_eq!(value["b"], 1, "{json}");
            assert!(unreadable(&value["a"]).unwrap().contains(told), "{json}: {value}");
        }
        assert_eq!(read(r#"{"a": NaN, "b": 1}"#), serde_json::json!({"a": null, "b": 1}));
        let bytes = mended(b"{\"a\": \"\xff\xfe\", \"b\": 1}");
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((value["b"].as_i64(), unreadable(&value["a"])), (Some(1), Some("is not UTF-8")));
        assert_eq!(read(r#"{"\ud83d": 2, "b": "NaN, [1e999"}"#)["b"], "NaN, [1e999");
    }

    #[test]
    fn what_is_nested_deeply_is_marked() {
        let deep = format!(r#"{{"a": {}"]"{}, "b": 1}}"#, "[".repeat(100_000), "]".repeat(100_000));
        let value = read(&deep);
        assert_eq!(value["b"], 1);
        let open = format!(r#"{{"a": {}, "b": 1}}"#, "[".repeat(100_000));
        assert!(serde_json::from_slice::<Value>(&mended(open.as_bytes())).is_err());
    }

    #[test]
    fn what_is_right_or_hopeless_stays() {
        for json in [
            r#"{"a": ["é\u00e9\ud83d\ude00", -1.5e3, true, null], "b": {}}"#,
            "nonsense",
            r#"{"a": "#,
            "\"",
            r#"{"a": "x"#,
            "[1,]",
            "\\",
        ] {
            assert_eq!(mended(json.as_bytes()), json.as_bytes(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_mended_or_left(bytes in prop::collection::vec(any::<u8>(), 0..60), near in "[\\[\\]{}\":,\\\\ue0-9dINa-]{0,60}") {
            let _ = (mended(&bytes), mended(near.as_bytes()));
        }

        #[test]
        fn right_json_is_not_touched(texts in prop::collection::vec(".{0,12}", 0..6), number in any::<f64>()) {
            let json = serde_json::json!({"t": texts, "n": number}).to_string();
            prop_assert_eq!(mended(json.as_bytes()), json.as_bytes());
        }
    }
}
