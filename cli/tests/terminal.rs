//! What is printed on a terminal fits into it: broken at words, and the address whole.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::process::Command;

use crate::common::{SMALL, hmisr};

/// What a command prints on a terminal of so many columns; none where there is no `script` to make one.
fn on_terminal(columns: usize, command: &Command) -> Option<String> {
    let quoted = |word: &std::ffi::OsStr| format!("'{}'", word.to_str().unwrap());
    let words: Vec<String> =
        std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect();
    let line = format!("stty cols {columns} rows 24; {}", words.join(" "));
    let output = Command::new("script").args(["-qec", &line, "/dev/null"]).env("TERM", "xterm").output();
    match output {
        Ok(output) => Some(String::from_utf8(output.stdout).unwrap()),
        Err(error) => {
            eprintln!("\n*** SKIPPED: script: {error} (install Debian's package bsdutils)\n");
            None
        }
    }
}

/// Lines as they are seen, without colours and movements of the cursor.
fn lines(printed: &str) -> Vec<String> {
    console::strip_ansi_codes(printed).lines().map(|line| line.trim_end().replace('\r', "")).collect()
}

#[test]
fn the_status_view_and_the_log_fit_into_a_narrow_terminal() {
    let data = tempfile::tempdir().unwrap();
    let mut command = hmisr();
    command.args(["up", "--generate", "4000", "--until-drained", "--listen", "127.0.0.1:0", "--data"]);
    command.arg(data.path().join("d")).args(SMALL);
    let Some(printed) = on_terminal(46, &command) else { return };
    assert!(printed.contains("\u{1b}[2K"), "a block is redrawn: {printed}");
    let lines = lines(&printed);
    for line in &lines {
        // The folder's name and an address are words that stay whole.
        let is_one_word = line.split_whitespace().count() <= 1;
        assert!(line.chars().count() <= 46 || is_one_word, "{line:?} in\n{printed}");
    }
    let open: Vec<&String> = lines.iter().filter(|line| line.contains("  open ")).collect();
    assert!(open.iter().all(|line| line.contains("http://127.0.0.1:")) && !open.is_empty(), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("snapshot ")), "{lines:#?}");
}

#[test]
fn an_error_is_broken_at_words() {
    let mut command = hmisr();
    command.args(["config", "--set", "features.windw=8"]);
    let Some(printed) = on_terminal(30, &command) else { return };
    let lines = lines(&printed);
    assert!(lines.len() > 2 && lines.iter().all(|line| line.chars().count() <= 30), "{lines:#?}");
    let words: Vec<&str> = lines.iter().flat_map(|line| line.split_whitespace()).collect();
    assert!(words.contains(&"features.windw") && words.contains(&"features.window?;"), "{words:?}");
}

#[test]
fn help_fits_into_a_narrow_terminal() {
    for arguments in [&["--help"][..], &["up", "--help"], &["bridge", "--help"], &["state", "bind", "--help"]]
    {
        let mut command = hmisr();
        command.args(arguments);
        let Some(printed) = on_terminal(60, &command) else { return };
        for line in lines(&printed) {
            assert!(line.chars().count() <= 60, "{arguments:?}: {line:?}");
        }
    }
}
