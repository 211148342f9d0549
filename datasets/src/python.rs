//! Python's literals as JSON: Amazon's meta data of 2014 are written so.

/// The deepest nesting that is read.
const MAX_DEPTH: usize = 100;

/// The JSON of a line that is a Python dictionary; none where it is none.
///
/// Quotes of both kinds, Python 2's `u'…'`, `None`, `True`, tuples and a comma behind the last value are read,
/// and `NaN`, which Python writes into JSON too, as no value.
pub(crate) fn to_json(line: &[u8]) -> Option<Vec<u8>> {
    let mut literal = Literal { rest: line.trim_ascii(), json: Vec::with_capacity(line.len()) };
    if literal.rest.first() != Some(&b'{') {
        return None;
    }
    literal.value(0)?;
    literal.rest.is_empty().then_some(literal.json)
}

/// What is left of a literal, and what was made of it.
struct Literal<'a> {
    rest: &'a [u8],
    json: Vec<u8>,
}

impl Literal<'_> {
    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// Takes a sign, and the spaces before it; whether it was there.
    fn take(&mut self, sign: u8) -> bool {
        self.rest = self.rest.trim_ascii_start();
        let found = self.rest.first() == Some(&sign);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        if self.take(b'{') {
            return self.many(b"{}", b'}', |own| own.entry(depth));
        }
        if self.take(b'[') {
            return self.many(b"[]", b']', |own| own.value(depth + 1));
        }
        if self.take(b'(') {
            return self.many(b"[]", b')', |own| own.value(depth + 1));
        }
        match self.rest.first()? {
            b'\'' | b'"' => self.quoted(),
            _ => self.word(),
        }
    }

    /// Values between commas up to a sign; `around`: what encloses them in JSON.
    fn many(
        &mut self,
        around: &[u8; 2],
        end: u8,
        mut one: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        self.json.push(around[0]);
        let mut is_first = true;
        while !self.take(end) {
            if !is_first {
                self.json.push(b',');
            }
            is_first = false;
            one(self)?;
            if !self.take(b',') && self.rest.first() != Some(&end) {
                return None;
            }
        }
        self.json.push(around[1]);
        Some(())
    }

    /// A key, which in JSON is a text, and its value.
    fn entry(&mut self, depth: usize) -> Option<()> {
        let from = self.json.len();
        self.value(depth + 1)?;
        match self.json.get(from)? {
            b'"' => {}
            b'{' | b'[' => return None,
            _ => {
                self.json.insert(from, b'"');
                self.json.push(b'"');
            }
        }
        if !self.take(b':') {
            return None;
        }
        self.json.push(b':');
        self.value(depth + 1)
    }

    /// A number, a word, or the letter before a text.
    fn word(&mut self) -> Option<()> {
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-._".contains(*byte);
        let length = self.rest.iter().take_while(is_part).count();
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest;
        let json = match std::str::from_utf8(word).ok()? {
            "u" | "U" | "b" | "B" if matches!(rest.first(), Some(b'\'' | b'"')) => return self.quoted(),
            "None" | "null" => "null".to_owned(),
            "True" | "true" => "true".to_owned(),
            "False" | "false" => "false".to_owned(),
            // Python 2's long integers end with an L.
            word => number(word.strip_suffix('L').unwrap_or(word))?,
        };
        self.json.extend_from_slice(json.as_bytes());
        Some(())
    }

    /// A text between quotes.
    fn quoted(&mut self) -> Option<()> {
        let quote = self.next()?;
        self.json.push(b'"');
        loop {
            match self.next()? {
                byte if byte == quote => break,
                b'\\' => self.escape()?,
                b'"' => self.json.extend_from_slice(b"\\\""),
                byte if byte < b' ' => self.code(u32::from(byte)),
                byte => self.json.push(byte),
            }
        }
        self.json.push(b'"');
        Some(())
    }

    /// What a backslash stands before.
    fn escape(&mut self) -> Option<()> {
        let sign = self.next()?;
        match sign {
            b'\'' => self.json.push(b'\''),
            b'\\' | b'"' | b'n' | b't' | b'r' | b'b' | b'f' => self.json.extend_from_slice(&[b'\\', sign]),
            b'a' => self.code(7),
            b'v' => self.code(11),
            b'x' => self.digits(2)?,
            b'u' => self.digits(4)?,
            b'U' => self.digits(8)?,
            b'0'..=b'7' => {
                let mut code = u32::from(sign - b'0');
                for _ in 0..2 {
                    let Some(digit @ b'0'..=b'7') = self.rest.first() else { break };
                    code = code * 8 + u32::from(digit - b'0');
                    self.next();
                }
                self.code(code);
            }
            // As in Python: what is no escape stays.
            other => self.json.extend_from_slice(&[b'\\', b'\\', other]),
        }
        Some(())
    }

    /// A sign by so many hexadecimal digits.
    fn digits(&mut self, count: usize) -> Option<()> {
        let mut code = 0_u32;
        for _ in 0..count {
            let digit = char::from(self.next()?).to_digit(16)?;
            code = code.checked_mul(16)?.checked_add(digit)?;
        }
        self.code(code);
        Some(())
    }

    /// A sign by its number, as JSON's escape: halves of a pair stay halves.
    fn code(&mut self, code: u32) {
        let mut units = [0; 2];
        let units = match char::from_u32(code) {
            Some(char) => &*char.encode_utf16(&mut units),
            None => {
                units[0] = u16::try_from(code).unwrap_or(0xfffd);
                &units[..1]
            }
        };
        for unit in units {
            self.json.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
        }
    }
}

/// A number as JSON has it, which `5.` and `.5` are not; one that is not finite is no value.
fn number(text: &str) -> Option<String> {
    if serde_json::from_str::<serde_json::Number>(text).is_ok() {
        return Some(text.to_owned());
    }
    let number = serde_json::Number::from_f64(text.parse().ok()?);
    Some(number.map_or_else(|| "null".to_owned(), |number| number.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn read(text: &str) -> Option<Value> {
        to_json(text.as_bytes()).map(|json| serde_json::from_slice(&json).unwrap())
    }

    #[test]
    fn dictionaries_are_read() {
        for (text, expected) in [
            ("{}", json!({})),
            (
                r#"{'a': u'b', "c": [1, -2.5, None], 'd': (True, False,)}"#,
                json!({"a": "b", "c": [1, -2.5, null], "d": [true, false]}),
            ),
            (r#" {'it\'s': "a \"b\"", 'n': 'x"y\n'} "#, json!({"it's": "a \"b\"", "n": "x\"y\n"})),
            (
                r"{'e': 'caf\xe9', 'f': u'\u00e9\U0001f600', 'o': '\101\0', 'p': 'C:\d'}",
                json!({"e": "caf\u{e9}", "f": "\u{e9}\u{1f600}", "o": "A\0", "p": "C:\\d"}),
            ),
            (
                r"{'salesRank': {'Toys & Games': 211836L}, 1: 5., 'n': nan, 't': 'a	b'}",
                json!({"salesRank": {"Toys & Games": 211836}, "1": 5.0, "n": null, "t": "a\tb"}),
            ),
            (r#"{"a": NaN, "b": [[]]}"#, json!({"a": null, "b": [[]]})),
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_dictionary_is_none() {
        for text in [
            "",
            "[1]",
            "{",
            "{'a'}",
            "{'a': }",
            "{'a': 1",
            "{'a': 1} x",
            "{'a' 1}",
            "{,}",
            "{[1]: 2}",
            "{'a': b}",
            "{'a': 'b}",
            r"{'a': '\x1'}",
            "{'a': [1 2]}",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(to_json(format!("{{'a': {}", "[".repeat(100_000)).as_bytes()), None);
    }

    proptest! {
        #[test]
        fn any_text_is_json_or_none(text in ".{0,60}", near in r#"\{['"u\\xU0-9a-f, :\[\]\(\)\{\}TrueNone]{0,60}\}"#) {
            for text in [&text, &near] {
                if let Some(json) = to_json(text.as_bytes()) {
                    let mut json = serde_json::Deserializer::from_slice(&json);
                    let read: Result<serde::de::IgnoredAny, _> = serde::Deserialize::deserialize(&mut json);
                    prop_assert!(read.is_ok() && json.end().is_ok(), "{}", text);
                }
            }
        }

        #[test]
        fn json_stays_json(texts in prop::collection::vec(".{0,12}", 0..6)) {
            let value = json!({"a": texts});
            prop_assert_eq!(read(&value.to_string()), Some(value));
        }
    }
}
