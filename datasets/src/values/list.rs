//! Lists that stand in one field: JSON's, Python's, numpy's.

use super::Decimal;

/// The elements of a list as text, lists within it laid out flat, `None`s among them as they stand. None
/// where the text is no list, has objects in it, or is not closed.
///
/// `['Action', "Children's"]`, `["A", 7]`, `[8 27]` (numpy), `[A, B c]` (Java), and the same without
/// brackets where `bare` allows it.
pub(super) fn elements(text: &str, bare: bool) -> Option<Vec<String>> {
    let text = text.trim();
    let is_list = text.starts_with('[') && text.ends_with(']');
    if !is_list && !bare {
        return None;
    }
    let mut chars = text.chars().peekable();
    let (mut found, mut depth) = (Vec::new(), 0_usize);
    while let Some(&next) = chars.peek() {
        match next {
            '[' => depth += 1,
            ']' => depth = depth.checked_sub(1)?,
            '{' | '}' => return None,
            '\'' | '"' => {
                found.push(quoted(&mut chars)?);
                continue;
            }
            ',' => {}
            _ if next.is_whitespace() => {}
            _ => {
                let mut word = String::new();
                while let Some(next) = chars.next_if(|next| !matches!(next, ',' | ']' | '[')) {
                    word.push(next);
                    // Python 2's u'…' and bytes.
                    if matches!(word.as_str(), "u" | "b") && matches!(chars.peek(), Some('\'' | '"')) {
                        word = quoted(&mut chars)?;
                        break;
                    }
                }
                let word = word.trim();
                match word.split_whitespace().all(|part| Decimal::parse(part).is_some()) {
                    true => found.extend(word.split_whitespace().map(str::to_owned)),
                    false => found.push(word.to_owned()),
                }
                continue;
            }
        }
        chars.next();
    }
    (depth == 0).then_some(found)
}

/// A text between quotes, without its escapes.
fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    let (quote, mut text) = (chars.next()?, String::new());
    // Half of a pair of UTF-16, which JSON writes in two escapes.
    let mut half: Option<u32> = None;
    loop {
        let next = chars.next()?;
        let mut code = None;
        let char = match next {
            _ if next == quote => break,
            '\\' => match chars.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                escaped @ ('\\' | '\'' | '"' | '/') => escaped,
                kind @ ('x' | 'u' | 'U') => {
                    let digits = match kind {
                        'x' => 2,
                        'u' => 4,
                        _ => 8,
                    };
                    let mut number = 0_u32;
                    for _ in 0..digits {
                        number = number.checked_mul(16)?.checked_add(chars.next()?.to_digit(16)?)?;
                    }
                    code = Some(number);
                    char::REPLACEMENT_CHARACTER
                }
                // As in Python: what is no escape stays.
                other => {
                    text.push('\\');
                    other
                }
            },
            _ => next,
        };
        match (half.take(), code) {
            (Some(high), Some(low @ 0xdc00..=0xdfff)) => {
                let both = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                text.push(char::from_u32(both).unwrap_or(char::REPLACEMENT_CHARACTER));
                continue;
            }
            (Some(_), _) => text.push(char::REPLACEMENT_CHARACTER),
            (None, _) => {}
        }
        match code {
            Some(high @ 0xd800..=0xdbff) => half = Some(high),
            Some(number) => text.push(char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)),
            None => text.push(char),
        }
    }
    if half.is_some() {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_of_every_kind_are_read() {
        for (text, expected) in [
            (r#"['Action', "Children's"]"#, &["Action", "Children's"][..]),
            (r#"["Film Noir","7",7]"#, &["Film Noir", "7", "7"]),
            ("[u'Action', u'Drama']", &["Action", "Drama"]),
            ("['Action' 'Drama']", &["Action", "Drama"]),
            ("[8 27]", &["8", "27"]),
            ("[8, 27.0]", &["8", "27.0"]),
            ("[[1], [2, 3]]", &["1", "2", "3"]),
            ("[Action, Sci Fi]", &["Action", "Sci Fi"]),
            (r#"["a\"b", 'c\'d', "\u00fc", "\ud83d\ude00", "x\ny"]"#, &["a\"b", "c'd", "ü", "😀", "x\ny"]),
            (r#"["caf\ud83d"]"#, &["caf\u{fffd}"]),
            ("['a, b', 'c] d']", &["a, b", "c] d"]),
            ("[None, 'A']", &["None", "A"]),
            ("[]", &[]),
            (" [ ] ", &[]),
        ] {
            assert_eq!(elements(text, false).unwrap(), expected, "{text}");
        }
        assert_eq!(elements("'A b', 'C'", true).unwrap(), ["A b", "C"]);
    }

    #[test]
    fn what_is_no_list_is_none() {
        for text in ["", "Action", "[", "['a]", "['a'", "]['a'[", "[{'name': 'Action'}]", r"['\u12']", "[]]"]
        {
            assert_eq!(elements(text, false), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_list_or_none(text in ".{0,60}", near in "[\\[\\]'\"\\\\u0-9a-f, ]{0,60}") {
            for bare in [false, true] {
                let _ = (elements(&text, bare), elements(&near, bare));
            }
        }

        #[test]
        fn what_json_writes_reads_back(texts in prop::collection::vec("[^ \t\n\r].{0,12}", 0..6)) {
            let written = serde_json::to_string(&texts).unwrap();
            // JSON's two escapes that Python does not have.
            prop_assume!(!written.contains("\\b") && !written.contains("\\f"));
            prop_assert_eq!(elements(&written, false).unwrap(), texts);
        }
    }
}
