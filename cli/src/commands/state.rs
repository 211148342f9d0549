//! `hmisr state`.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use hmisr_state::{Identity, PartitionStore, Resources};
use hmisr_stream::contract::{Diversity, Id};
use serde::Serialize;

use super::backfill::create;
use crate::args::StateCommand;
use crate::config::Config;
use crate::failure::Failure;

pub fn run(config: Config, command: StateCommand) -> Result<(), Failure> {
    match command {
        StateCommand::Export { state, output } => {
            let mut out: Box<dyn Write> = match &output {
                Some(path) => Box::new(create(path)?),
                None => Box::new(BufWriter::new(std::io::stdout().lock())),
            };
            export(&config, &state, &mut out)?;
            Ok(out.flush()?)
        }
    }
}

/// One user's line.
#[derive(Serialize)]
struct Line<'a> {
    partition: i32,
    user_id: &'a Id,
    newest_ts: Option<i64>,
    lifetime: Diversity,
    window: Diversity,
    recent_diversity: f64,
    /// The newest events, oldest first: item, category, time, tail mark.
    visits: Vec<(Id, Id, i64, bool)>,
}

fn export(config: &Config, folder: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let resources = Resources::new(config.state.clone());
    for path in stores(folder)? {
        let identity = Identity::of(&path, &resources)?;
        let store = PartitionStore::open(&path, &identity, &config.features, &resources)?;
        if identity.features != config.features.identity() {
            return Err(Failure::user(format!(
                "{}: written with `{}`, the settings in force are `{}`; set the former with --set or --config",
                path.display(),
                identity.features,
                config.features.identity()
            )));
        }
        store.reader().for_each_user::<Failure>(|user_id, user| {
            let features = user.features(&config.features);
            let newest = user.visits().len().saturating_sub(config.features.window);
            let line = Line {
                partition: identity.partition,
                user_id: &user_id,
                newest_ts: user.newest_ts(),
                lifetime: features.lifetime,
                window: features.window,
                recent_diversity: features.recent_diversity,
                visits: user.visits().skip(newest).map(|v| (v.item, v.category, v.ts, v.tail)).collect(),
            };
            serde_json::to_writer(&mut *out, &line).map_err(|error| Failure::fault(&error))?;
            Ok(out.write_all(b"\n")?)
        })?;
    }
    Ok(())
}

/// The partition folders, in their order.
fn stores(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let read = std::fs::read_dir(folder).map_err(|error| {
        Failure::user(format!(
            "--state {}: {error}; name the folder that holds partition-00000",
            folder.display()
        ))
    })?;
    let mut stores: Vec<PathBuf> = read
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("partition-")))
        .collect();
    stores.sort();
    if stores.is_empty() {
        return Err(Failure::user(format!("--state {}: holds no partition store", folder.display())));
    }
    Ok(stores)
}
