//! Lines that are broken at words.

use console::measure_text_width;

/// How much further what follows a break stands in.
const HANGING: usize = 2;

/// Breaks lines at words, so that none is wider than `width`. What follows a break stands in like its
/// line, and by two more. A word that is wider stays whole, so that an address can still be copied.
pub fn wrap(text: &str, width: usize) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        let indent = line.len() - line.trim_start_matches(' ').len();
        wrap_after(line, width, indent + HANGING)
    });
    lines.collect()
}

/// The same of one line, with what follows a break standing in by `indent`; by less where hardly anything
/// would have room beside it.
pub fn wrap_after(line: &str, width: usize, indent: usize) -> String {
    let indent = if indent * 2 > width { HANGING.min(width / 2) } else { indent };
    let mut broken = String::with_capacity(line.len());
    let (mut column, mut is_empty) = (0, true);
    let mut gap = 0;
    for word in line.split_inclusive(' ') {
        let (word, follows) = match word.strip_suffix(' ') {
            Some(word) => (word, 1),
            None => (word, 0),
        };
        if !word.is_empty() {
            let wide = measure_text_width(word.trim_end_matches('\n'));
            if !is_empty && column + gap + wide > width {
                broken.push('\n');
                column = indent.min(width.saturating_sub(wide));
                broken.extend(std::iter::repeat_n(' ', column));
            } else {
                broken.extend(std::iter::repeat_n(' ', gap));
                column += gap;
            }
            broken.push_str(word);
            column += wide;
            (gap, is_empty) = (0, false);
        }
        gap += follows;
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_broken_at_words_and_goes_on_further_in() {
        let text = "error: the topic events does not exist\n  make it\n";
        assert_eq!(wrap(text, 80), text);
        assert_eq!(wrap(text, 20), "error: the topic\n  events does not\n  exist\n  make it\n");
        assert_eq!(wrap("  one two three", 9), "  one two\n    three");
    }

    #[test]
    fn an_address_stays_whole() {
        let text = "open http://127.0.0.1:8080/v1/recommend now";
        assert_eq!(wrap(text, 20), "open\nhttp://127.0.0.1:8080/v1/recommend\n  now");
    }

    #[test]
    fn colours_take_no_room() {
        let text = "\u{1b}[2m2026-01-31\u{1b}[0m \u{1b}[32m INFO\u{1b}[0m listening";
        assert_eq!(wrap(text, 26), text);
        assert!(wrap(text, 25).ends_with("\n  listening"));
    }

    proptest! {
        #[test]
        fn no_word_is_lost_and_no_line_is_too_wide(
            words in prop::collection::vec("[a-zä]{1,12}", 0..30), width in 20_usize..200, indent in 0_usize..30,
        ) {
            let text = words.join(" ");
            let broken = wrap_after(&text, width, indent);
            prop_assert_eq!(broken.split_whitespace().collect::<Vec<_>>(), words);
            for line in broken.lines() {
                prop_assert!(measure_text_width(line) <= width, "{line:?}");
            }
        }
    }
}
