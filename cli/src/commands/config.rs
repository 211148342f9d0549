//! `hmisr config`.

use crate::config::{Config, DEFAULTS};
use crate::failure::Failure;

pub fn run(config: &Config, defaults: bool, json: bool) -> Result<(), Failure> {
    if defaults && !json {
        print!("{DEFAULTS}");
        return Ok(());
    }
    let shown = if defaults { &Config::default() } else { config };
    if json {
        let text = serde_json::to_string_pretty(shown).map_err(|error| Failure::fault(&error))?;
        println!("{text}");
    } else {
        print!("{}", shown.to_toml()?);
    }
    Ok(())
}
