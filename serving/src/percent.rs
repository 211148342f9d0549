//! Percent-encoding (RFC 3986, section 2.1), strict: an id is never guessed from bad escapes.

/// Decodes `%XX`, and `+` as a space where `form` says that the text is of a query.
///
/// # Errors
/// What is wrong: an escape that is cut or not hexadecimal, or bytes that are not UTF-8.
pub(crate) fn decode(text: &str, form: bool) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'%' => {
                let pair = after.split_at_checked(2).and_then(|(pair, after)| {
                    rest = after;
                    Some(hex(pair[0])? << 4 | hex(pair[1])?)
                });
                bytes.push(
                    pair.ok_or("a `%` is not followed by two hexadecimal digits (a `%` itself is `%25`)")?,
                );
            }
            b'+' if form => bytes.push(b' '),
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).map_err(|_| "the decoded bytes are not UTF-8".to_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Encodes a text as one path segment. Dots are encoded too, since `.` and `..` as segments
/// would be resolved away.
pub(crate) fn encode_segment(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(DIGITS[usize::from(byte >> 4)]));
            encoded.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_reads_back() {
        for text in ["42", "a/b c", "..", "ü+%?#&=", "\0\n", "%2F", "😀"] {
            let encoded = encode_segment(text);
            assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"%-_".contains(&byte)));
            assert_eq!(decode(&encoded, false).unwrap(), text);
            assert_eq!(decode(&encoded, true).unwrap(), text);
        }
    }

    #[test]
    fn bad_escapes_are_refused() {
        for bad in ["%", "%4", "a%zz", "%%41", "%ff", "%+1", "%c3%28", "%ed%a0%80"] {
            assert!(decode(bad, false).is_err(), "{bad}");
        }
        assert_eq!(decode("a+b%2b", true).unwrap(), "a b+");
        assert_eq!(decode("a+b", false).unwrap(), "a+b");
    }
}
