//! What is wrong with a setting, in words: which, where it was set, and what was probably meant.

use figment::error::{Actual, Kind};
use figment::value::Value;
use figment::{Error, Figment, Source};

use super::{ENVIRONMENT, known};

/// The table whose values may be secrets.
pub const SECRETS: [&str; 2] = ["kafka", "client"];

/// What is wrong with a setting; of one that may be or hold a secret without what was found.
pub fn told(error: &Error, figment: &Figment) -> String {
    let name = error.path.join(".");
    let place = Place::of(error);
    match &error.kind {
        Kind::UnknownField(_, expected) => {
            let unknown = format!("unknown key {} {}", name, place.of_name(&name));
            match meant(&name, figment) {
                Some(meant) => format!("{unknown}; did you mean {}?", place.spelt(meant)),
                None => format!("{unknown}; {}", there(&error.path, expected)),
            }
        }
        _ if is_secret(error) => {
            let expected = match &error.kind {
                Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => plain(expected),
                _ if error.path.len() > SECRETS.len() => "text, a whole number, true or false",
                _ => "another value",
            };
            format!("{name} {}: expected {expected}", place.of_name(&name))
        }
        kind => format!("{name} {}: {}", place.of_name(&name), wrong(kind)),
    }
}

/// Where a value came from.
enum Place {
    File(String),
    Environment,
    CommandLine,
}

impl Place {
    fn of(error: &Error) -> Self {
        let metadata = error.metadata.as_ref();
        match metadata.and_then(|metadata| metadata.source.as_ref()) {
            Some(Source::File(path)) => Self::File(path.display().to_string()),
            _ if metadata.is_some_and(|metadata| metadata.name.contains("environment")) => Self::Environment,
            _ => Self::CommandLine,
        }
    }

    /// What follows a setting's name.
    fn of_name(&self, name: &str) -> String {
        match self {
            Self::File(path) => format!("in {path}"),
            Self::Environment => format!("in the environment variable {}", variable(name)),
            Self::CommandLine => "in --set".to_owned(),
        }
    }

    /// A setting's name as it would be written there.
    fn spelt(&self, name: &str) -> String {
        match self {
            Self::Environment => variable(name),
            Self::File(_) | Self::CommandLine => name.to_owned(),
        }
    }
}

/// The environment variable of a setting.
pub fn variable(name: &str) -> String {
    format!("{ENVIRONMENT}{}", name.to_uppercase().replace('.', "__"))
}

/// The setting that was meant: by the unknown key, or, where it is a table, by what stands in it.
fn meant(name: &str, figment: &Figment) -> Option<&'static str> {
    let value = figment.find_value(name).ok();
    let mut below = Vec::new();
    if let Some(value) = &value {
        leaves(name, value, &mut below);
    }
    below.iter().find_map(|leaf| known::nearest(leaf)).or_else(|| known::nearest(name))
}

/// The paths of all values of a table, and of nothing else.
fn leaves(prefix: &str, value: &Value, found: &mut Vec<String>) {
    if let Value::Dict(_, dict) = value {
        for (key, value) in dict {
            let path = format!("{prefix}.{key}");
            match value {
                Value::Dict(..) => leaves(&path, value, found),
                _ => found.push(path),
            }
        }
    }
}

/// What there is in the place of an unknown key.
fn there(path: &[String], expected: &[&str]) -> String {
    let names = expected.join(", ");
    match path {
        [] | [_] => format!("there are the tables {names}"),
        [table @ .., _] => format!("[{}] has {names}", table.join(".")),
    }
}

fn is_secret(error: &Error) -> bool {
    error.path.iter().zip(SECRETS).all(|(key, secret)| key == secret)
}

fn wrong(kind: &Kind) -> String {
    match kind {
        Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
            format!("found {}, expected {}", shown(found), plain(expected))
        }
        Kind::UnknownVariant(found, words) => {
            let meant = known::nearest_of(found, words).map(|word| format!("; did you mean {word:?}?"));
            format!("found {found:?}, expected one of {}{}", words.join(", "), meant.unwrap_or_default())
        }
        other => other.to_string(),
    }
}

fn shown(found: &Actual) -> String {
    match found {
        Actual::Bool(value) => value.to_string(),
        Actual::Unsigned(value) => value.to_string(),
        Actual::Signed(value) => value.to_string(),
        Actual::Float(value) => value.to_string(),
        Actual::Str(value) => format!("{value:?}"),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

/// A Rust type's name as a person would call it.
fn plain(expected: &str) -> &str {
    match expected {
        "usize" | "u8" | "u16" | "u32" | "u64" => "a whole number from 0",
        "isize" | "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" | "string" => "text",
        "a boolean" | "bool" => "true or false",
        "a sequence" => "a list",
        "path string" => "a path",
        other if other.starts_with("struct ") => "a table",
        other => other,
    }
}
