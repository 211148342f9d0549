//! A value that cannot be taken.

/// The longest part of a value that an error repeats, in bytes.
const SHOWN: usize = 80;

/// What is wrong with a value: the value, and why; whoever reads it adds the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} {problem}")]
pub struct ValueError {
    /// The value as it stands, its beginning where it is long.
    pub value: String,
    /// What is wrong with it, to be read after the value.
    pub problem: String,
}

impl ValueError {
    /// `problem` is read after the value: "is no time".
    pub(super) fn new(value: &str, problem: impl Into<String>) -> Self {
        let shown = &value[..value.floor_char_boundary(SHOWN)];
        let value = if shown.len() < value.len() { format!("{shown}…") } else { shown.to_owned() };
        Self { value, problem: problem.into() }
    }
}
