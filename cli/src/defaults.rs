//! What nobody has typed and an error names all the same: where it comes from.

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

/// Options of these values are folders, files and addresses, which errors name.
const NAMED: [&str; 3] = ["DIR", "FILE", "HOST:PORT"];

/// For each default that `error` names, which option's it is; a line each.
pub fn note(command: &Command, matches: &ArgMatches, error: &str) -> String {
    let mut notes = String::new();
    let (mut command, mut matches) = (command, matches);
    loop {
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            let names = argument.get_value_names().unwrap_or_default();
            let is_default = matches.try_contains_id(id).is_ok()
                && matches.value_source(id) == Some(ValueSource::DefaultValue);
            let (Some(option), true) = (argument.get_long(), is_default) else { continue };
            if !names.iter().any(|name| NAMED.contains(&name.as_str())) {
                continue;
            }
            let values = matches.get_raw(id).into_iter().flatten().filter_map(|value| value.to_str());
            for value in values.filter(|value| names_it(error, value)) {
                notes += &format!("\n({value} is the default of --{option})");
            }
        }
        let below =
            matches.subcommand().and_then(|(name, matches)| Some((command.find_subcommand(name)?, matches)));
        let Some(below) = below else { return notes };
        (command, matches) = below;
    }
}

/// Whether a text has a path as a whole, alone or as the beginning of a longer one.
fn names_it(text: &str, path: &str) -> bool {
    let is_part = |char: char| char.is_alphanumeric() || "-_.".contains(char);
    text.match_indices(path).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + path.len()..].chars().next();
        !before.is_some_and(|char| is_part(char) || char == '/')
            && !after.is_some_and(|char| char != '.' && is_part(char))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    fn noted(arguments: &[&str], error: &str) -> String {
        let command = Cli::command();
        let matches = command.clone().try_get_matches_from(arguments).unwrap();
        note(&command, &matches, error)
    }

    #[test]
    fn a_default_is_told_with_its_option_and_what_was_given_is_not() {
        let error = "hmisr-data/state: no such folder";
        assert_eq!(
            noted(&["hmisr", "state", "inspect"], error),
            "\n(hmisr-data/state is the default of --state)"
        );
        assert_eq!(noted(&["hmisr", "state", "inspect", "--state", "hmisr-data/state"], error), "");
        assert_eq!(
            noted(&["hmisr", "up"], "hmisr-data/log: full"),
            "\n(hmisr-data is the default of --data)"
        );
        for other in ["my-hmisr-data: full", "/x/hmisr-data: full", "hmisr-data-2: full"] {
            assert_eq!(noted(&["hmisr", "up"], other), "", "{other}");
        }
        let taken = "cannot listen on 127.0.0.1:8081";
        assert_eq!(noted(&["hmisr", "pipeline"], taken), "\n(127.0.0.1:8081 is the default of --listen)");
    }
}
