//! `hmisr state checkpoint`.

use std::path::Path;

use hmisr_state::{PartitionStore, Resources};
use serde::Serialize;

use super::{open, print, stores, written_under};
use crate::config::Config;
use crate::failure::Failure;

#[derive(Serialize)]
struct Made {
    partition: i32,
    next_offset: i64,
    bytes: u64,
    /// Bytes that were not there before.
    uploaded_bytes: u64,
}

pub fn run(config: &Config, folder: &Path, url: Option<String>, json: bool) -> Result<(), Failure> {
    let (store, resources) = (open(config, url)?, Resources::new(config.state.clone()));
    let mut made = Vec::new();
    for path in stores(folder)? {
        let identity = written_under(config, &path, &resources)?;
        let opened = PartitionStore::open(&path, &identity, &config.features, &resources)?;
        if opened.is_new()? {
            continue;
        }
        // On the same file system, so that table files are links.
        let scratch = tempfile::tempdir_in(folder)?;
        let (local, next_offset) = (scratch.path().join("checkpoint"), opened.next_offset());
        opened.checkpoint(&local)?;
        let checkpoints = store.partition(&identity);
        let uploaded = checkpoints.upload(&local, next_offset, None, || false)?;
        checkpoints.publish(&uploaded.manifest)?;
        made.push(Made {
            partition: identity.partition,
            next_offset,
            bytes: uploaded.manifest.bytes(),
            uploaded_bytes: uploaded.bytes,
        });
    }
    print(json, &made, |made| {
        let Made { partition, next_offset, bytes, uploaded_bytes } = made;
        format!("partition {partition} at offset {next_offset}: {bytes} bytes, {uploaded_bytes} of them new")
    });
    Ok(())
}
