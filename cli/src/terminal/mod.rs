//! The terminal, which log lines and a block that is redrawn share.

mod block;
mod wrap;

use std::io::Write;
use std::sync::OnceLock;

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

pub use self::block::{Block, Size};
use self::wrap::wrap;
pub use self::wrap::wrap_after;

/// The bars on the terminal, which log lines must not tear.
static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// Where log lines go: above the bars and the block, where there are any.
#[derive(Default)]
pub struct LogWriter(Vec<u8>);

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let line = std::mem::take(&mut self.0);
        let line = match columns(&Term::stderr()) {
            Some(width) => wrap(&String::from_utf8_lossy(&line), width).into_bytes(),
            None => line,
        };
        let write = || block::above(&line);
        match BARS.get() {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        // A log line that cannot be written has nowhere else to go.
        drop(self.flush());
    }
}

/// Prints a line on standard error, above what is redrawn there, broken at words where it is a terminal.
pub fn tell(text: &str) {
    let mut line = LogWriter::default();
    line.0.extend_from_slice(text.as_bytes());
    line.0.push(b'\n');
}

/// Prints a line on standard output; where that is a terminal it is broken at words, with what follows a
/// break standing in by `indent`.
pub fn print_after(line: &str, indent: usize) {
    match columns(&Term::stdout()) {
        Some(width) => println!("{}", wrap_after(line, width, indent)),
        None => println!("{line}"),
    }
}

/// How wide a terminal is; none where it is none.
fn columns(term: &Term) -> Option<usize> {
    let (_, columns) = term.size_checked().filter(|_| term.is_term())?;
    (columns > 0).then_some(usize::from(columns))
}

/// A bar at the bottom of the terminal, below the log lines.
pub fn bar(len: usize, template: &str) -> ProgressBar {
    let bar = BARS.get_or_init(MultiProgress::new).add(ProgressBar::new(len as u64));
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
