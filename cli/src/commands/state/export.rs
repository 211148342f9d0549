//! `hmisr state export`.

use std::io::{BufWriter, Write};
use std::path::Path;

use hmisr_state::{Resources, StoreReader};
use hmisr_stream::contract::{Diversity, Id};
use serde::Serialize;

use super::{stores, written_under};
use crate::commands::backfill::create;
use crate::config::Config;
use crate::failure::Failure;

pub fn run(config: &Config, folder: &Path, output: Option<&Path>) -> Result<(), Failure> {
    let mut out: Box<dyn Write> = match output {
        Some(path) => Box::new(create(path)?),
        None => Box::new(BufWriter::new(std::io::stdout().lock())),
    };
    export(config, folder, &mut out)?;
    Ok(out.flush()?)
}

/// One user's line.
/// Item, category, time, tail mark, action, weight.
type Visited<'a> = (Id, &'a Id, i64, bool, &'a str, Option<f32>);

#[derive(Serialize)]
struct Line<'a> {
    partition: i32,
    user_id: &'a Id,
    newest_ts: Option<i64>,
    lifetime: Diversity,
    window: Diversity,
    recent_diversity: f64,
    /// Events of any action since the state began.
    visited: u64,
    /// The newest of them, oldest first.
    visits: Vec<Visited<'a>>,
}

fn export(config: &Config, folder: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let resources = Resources::new(config.state.clone());
    for path in stores(folder)? {
        let identity = written_under(config, &path, &resources)?;
        let store = StoreReader::open(&path, &config.features, &resources)?;
        store.for_each_user::<Failure>(|user_id, user| {
            let features = user.features(&config.features);
            let line = Line {
                partition: identity.partition,
                user_id: &user_id,
                newest_ts: user.newest_ts(),
                lifetime: features.lifetime,
                window: features.window,
                recent_diversity: features.recent_diversity,
                visited: user.visited(),
                visits: user
                    .visits()
                    .map(|it| (it.item, it.category, it.ts, it.tail, it.action, it.weight))
                    .collect(),
            };
            serde_json::to_writer(&mut *out, &line).map_err(|error| Failure::fault(&error))?;
            Ok(out.write_all(b"\n")?)
        })?;
    }
    Ok(())
}
