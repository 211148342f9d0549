//! The terminal, which log lines and a block that is redrawn share.

use std::io::Write;
use std::sync::OnceLock;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The block on the terminal, which log lines must not tear.
static VIEW: OnceLock<MultiProgress> = OnceLock::new();

/// Where log lines go: above the block, where there is one.
#[derive(Default)]
pub struct LogWriter(Vec<u8>);

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let line = std::mem::take(&mut self.0);
        match VIEW.get() {
            Some(view) => view.suspend(|| std::io::stderr().write_all(&line)),
            None => std::io::stderr().write_all(&line),
        }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        // A log line that cannot be written has nowhere else to go.
        drop(self.flush());
    }
}

/// A block at the bottom of the terminal, below the log lines.
pub fn block() -> ProgressBar {
    VIEW.get_or_init(MultiProgress::new).add(ProgressBar::new_spinner())
}

/// A bar at the bottom of the terminal, below the log lines.
pub fn bar(len: usize, template: &str) -> ProgressBar {
    let bar = VIEW.get_or_init(MultiProgress::new).add(ProgressBar::new(len as u64));
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
