//! Words that stand for "no value".

/// Whether a text says that there is no value: it is what another system writes where it has none, and
/// never somebody. Space about it does not count.
///
/// | written by | words |
/// |---|---|
/// | anyone | the empty text |
/// | databases | `NULL`, `\N` (Hive, MySQL, PostgreSQL) |
/// | Python, pandas | `None`, `nan`, `<NA>`, `NaT` |
/// | R | `NA`, in capitals alone |
/// | JavaScript | `null`, `undefined`, `NaN` |
/// | spreadsheets | `N/A`, `#N/A` |
///
/// In small letters, in capitals, or the first letter a capital, except for `NA` and `\N`.
///
/// ```
/// use hmisr_features::is_missing;
///
/// assert!(is_missing("NULL") && is_missing(r"\N") && is_missing(" nan ") && is_missing(""));
/// assert!(!is_missing("nanny") && !is_missing("0") && !is_missing("na"));
/// ```
pub fn is_missing(text: &str) -> bool {
    const WORDS: [&str; 8] = ["null", "none", "nan", "n/a", "undefined", "<na>", "#n/a", "nat"];
    // The longest word has nine bytes: most ids are told by their length.
    let text = text.trim();
    match text.len() {
        0 => true,
        2 => text == r"\N" || text == "NA",
        // A first name is Nat: of the words for "no time" only pandas' own spelling.
        3 if text.eq_ignore_ascii_case("nat") => text == "NaT",
        3..=9 => WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_systems_word_is_known() {
        for word in [
            "",
            " ",
            "\t",
            "NULL",
            "null",
            "Null",
            r"\N",
            "nan",
            "NaN",
            "NAN",
            "None",
            "none",
            "NONE",
            "N/A",
            "n/a",
            "NA",
            "<NA>",
            "#N/A",
            "undefined",
            "NaT",
            " NULL ",
            "NULL\r",
        ] {
            assert!(is_missing(word), "{word:?}");
        }
    }

    #[test]
    fn what_only_looks_like_one_is_a_value() {
        for text in
            ["0", "-1", "na", "Na", "Nat", r"\n", "nobody", "nullable", "Nan Goldin", "NULL1", "-", "inf"]
        {
            assert!(!is_missing(text), "{text:?}");
        }
    }
}
