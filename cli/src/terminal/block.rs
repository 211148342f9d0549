//! A block of lines at the bottom of the terminal that is redrawn in place.
//!
//! Every line ends with a line feed and is never wider than the terminal was, so a terminal that is made
//! wider joins none of them, and what stands above the block is never taken for a part of it: a resize may
//! leave lines of an older block above the new one, and takes nothing away.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use console::{Term, measure_text_width};

/// What is on the terminal.
static DRAWN: Mutex<Vec<Drawn>> = Mutex::new(Vec::new());

/// A line on the terminal.
#[derive(Debug)]
struct Drawn {
    line: String,
    /// How many of the terminal's rows it took: one, but where a single word is wider than the terminal.
    rows: usize,
}

impl Drawn {
    fn new(line: String, columns: usize) -> Self {
        let rows = rows(&line, columns);
        Self { line, rows }
    }

    /// How many rows it takes at least, now that the terminal is that wide: one that was made wider may have
    /// joined what it had broken, one that was made narrower may have cut it off.
    fn rows_now(&self, columns: usize) -> usize {
        self.rows.min(rows(&self.line, columns))
    }
}

fn rows(line: &str, columns: usize) -> usize {
    measure_text_width(line).div_ceil(columns).max(1)
}

/// How large the terminal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Characters of a line.
    pub columns: usize,
    /// Lines.
    pub rows: usize,
}

/// The block.
pub struct Block(Term);

impl Block {
    /// On standard error; none where that is no terminal, or one that cannot redraw.
    pub fn new() -> Option<Self> {
        let term = Term::stderr();
        let can_redraw = std::env::var_os("TERM").is_some_and(|name| name != "dumb");
        (term.is_term() && can_redraw).then_some(Self(term))
    }

    /// The terminal's size now.
    pub fn size(&self) -> Size {
        let (rows, columns) = self.0.size();
        Size { columns: usize::from(columns).max(1), rows: usize::from(rows).max(1) }
    }

    /// Shows these lines in the place of those before.
    pub fn show(&self, lines: Vec<String>) {
        let columns = self.size().columns;
        let mut drawn = DRAWN.lock().unwrap_or_else(PoisonError::into_inner);
        let text = up(&drawn, columns) + &down(lines.iter().map(String::as_str));
        // Without a terminal nobody looks.
        drop(std::io::stderr().write_all(text.as_bytes()));
        *drawn = lines.into_iter().map(|line| Drawn::new(line, columns)).collect();
    }

    /// Takes it away.
    pub fn clear(&self) {
        self.show(Vec::new());
    }
}

/// Writes lines above the block.
pub(super) fn above(lines: &[u8]) -> std::io::Result<()> {
    let mut drawn = DRAWN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut stderr = std::io::stderr();
    if drawn.is_empty() {
        return stderr.write_all(lines);
    }
    let columns = usize::from(Term::stderr().size().1).max(1);
    let mut text = up(&drawn, columns).into_bytes();
    text.extend_from_slice(b"\x1b[J");
    text.extend_from_slice(lines);
    text.extend_from_slice(down(drawn.iter().map(|drawn| drawn.line.as_str())).as_bytes());
    for drawn in drawn.iter_mut() {
        drawn.rows = rows(&drawn.line, columns);
    }
    // In one piece, so that nothing flickers.
    stderr.write_all(&text)
}

/// To the first line of the block.
fn up(drawn: &[Drawn], columns: usize) -> String {
    match drawn.iter().map(|drawn| drawn.rows_now(columns)).sum::<usize>() {
        0 => String::new(),
        rows => format!("\r\x1b[{rows}A"),
    }
}

/// The lines over what stood there, and away with what is left below them.
fn down<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for line in lines {
        let _ = writeln!(text, "\x1b[2K{line}");
    }
    text + "\x1b[J"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(lines: &[&str], columns: usize) -> Vec<Drawn> {
        lines.iter().map(|line| Drawn::new((*line).to_owned(), columns)).collect()
    }

    #[test]
    fn it_never_goes_up_further_than_the_block_is_high() {
        let block = drawn(&["  events 100/s", "  open http://127.0.0.1:8080/"], 40);
        for columns in [10, 40, 300] {
            assert_eq!(up(&block, columns), "\r\x1b[2A", "{columns} columns");
        }
        // An address that is wider than the terminal takes two rows, until the terminal is wide enough.
        let wide = drawn(&["http://127.0.0.1:8080/"], 20);
        assert_eq!(up(&wide, 20), "\r\x1b[2A");
        assert_eq!(up(&wide, 10), "\r\x1b[2A", "a terminal may have cut it off");
        assert_eq!(up(&wide, 80), "\r\x1b[1A", "a terminal may have joined it");
        assert_eq!(up(&[], 80), "");
    }

    #[test]
    fn lines_go_over_the_old_ones_and_the_rest_is_cleared() {
        assert_eq!(down(["a", "b"].into_iter()), "\x1b[2Ka\n\x1b[2Kb\n\x1b[J");
    }
}
