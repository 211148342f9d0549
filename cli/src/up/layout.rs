//! How the status view's rows lie in a terminal of some size.

use crate::terminal::{Size, wrap_after};

/// Where what follows a label begins.
const INDENT: usize = 13;

/// A row of the view.
#[derive(Debug)]
pub struct Row {
    /// What it is about.
    pub label: &'static str,
    /// What there is to say.
    pub text: String,
}

/// The lines of a terminal: each row broken at words. Where there is no room for all, rows are left out,
/// from the last but one upwards: the last one, the address, always stays.
pub fn layout(rows: &[Row], size: Size) -> Vec<String> {
    // The last column stays free: some terminals go to the next line once it is written, others later.
    let width = size.columns.saturating_sub(1).max(1);
    let broken = |row: &Row| -> Vec<String> {
        let Row { label, text } = row;
        let line = format!("  {label:<10} {text}");
        wrap_after(&line, width, INDENT).lines().map(str::to_owned).collect()
    };
    let Some((last, others)) = rows.split_last() else { return Vec::new() };
    let last = broken(last);
    // One line is the cursor's.
    let mut room = size.rows.saturating_sub(1).saturating_sub(last.len());
    let mut lines = Vec::new();
    for row in others.iter().map(broken) {
        if row.len() > room {
            break;
        }
        room -= row.len();
        lines.extend(row);
    }
    lines.extend(last);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "http://127.0.0.1:8080/";

    fn rows() -> Vec<Row> {
        let row = |label, text: &str| Row { label, text: text.to_owned() };
        vec![
            row("events", "    1999/s   fed 123456 of 1000209"),
            row("HR@10", "  0.1234     popularity 0.0312, over the newest 20000 examples"),
            row("snapshot", "v12, 3 s old; serving v12"),
            row("open", &format!("{ADDRESS}   Ctrl-C ends")),
        ]
    }

    fn at(columns: usize, rows_of_terminal: usize) -> Vec<String> {
        layout(&rows(), Size { columns, rows: rows_of_terminal })
    }

    fn words(lines: &[String]) -> Vec<String> {
        lines.iter().flat_map(|line| line.split_whitespace()).map(str::to_owned).collect()
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_no_word_is_torn() {
        let all = words(&at(200, 50));
        for columns in 20..=200 {
            let lines = at(columns, 50);
            assert_eq!(words(&lines), all, "{columns} columns");
            for line in &lines {
                let is_one_word = line.split_whitespace().count() == 1;
                assert!(line.len() < columns || is_one_word, "{columns} columns: {line:?}");
            }
            assert!(lines.iter().any(|line| line.contains(ADDRESS)), "{columns} columns: {lines:?}");
        }
        assert_eq!(at(200, 50).len(), 4);
        assert!(at(40, 50).len() > 4);
    }

    #[test]
    fn a_low_terminal_shows_the_address_and_what_else_has_room() {
        for rows in 1..10 {
            let lines = at(80, rows);
            assert!(lines.last().unwrap().contains(ADDRESS), "{rows} rows: {lines:?}");
            assert!(lines.len() < rows.max(2), "{rows} rows: {lines:?}");
        }
        assert!(at(80, 3)[0].contains("1999/s"), "the first rows stay longest");
    }
}
