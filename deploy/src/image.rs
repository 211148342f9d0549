//! A Dockerfile's instructions.

/// One instruction.
#[derive(Debug, PartialEq, Eq)]
pub struct Instruction {
    /// The line that it begins on.
    pub line: usize,
    /// `FROM`, `RUN`, …
    pub word: String,
    /// What follows, in one line.
    pub rest: String,
}

/// The instructions of a Dockerfile, comments left out and continued lines joined.
///
/// # Errors
/// The line of a word that is no instruction, or of an instruction that says nothing.
pub fn instructions(text: &str) -> Result<Vec<Instruction>, String> {
    const WORDS: [&str; 16] = [
        "ADD",
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "FROM",
        "HEALTHCHECK",
        "LABEL",
        "RUN",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
        "WORKDIR",
    ];
    let mut instructions = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (begun, mut joined) = open.take().unwrap_or((number, String::new()));
        joined.push_str(line.trim_end_matches('\\'));
        if line.ends_with('\\') {
            open = Some((begun, joined));
            continue;
        }
        let (word, rest) = joined.split_once(char::is_whitespace).unwrap_or((&joined, ""));
        if !WORDS.contains(&word) || rest.trim().is_empty() {
            return Err(format!("line {begun}: {word:?} is no instruction, or says nothing"));
        }
        let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
        instructions.push(Instruction { line: begun, word: word.to_owned(), rest });
    }
    match open {
        Some((begun, _)) => Err(format!("line {begun}: it goes on after the file's end")),
        None => Ok(instructions),
    }
}

impl Instruction {
    /// The words of its form in JSON, such as `CMD ["--help"]`; what stands before the bracket is left out.
    pub fn list(&self) -> Option<Vec<String>> {
        serde_json::from_str(&self.rest[self.rest.find('[')?..]).ok()
    }
}
