//! Telling others of a snapshot.

use hmisr_stream::contract::{SnapshotAnnouncement, topic};
use hmisr_stream::{Error, ErrorKind, Outgoing, Result, Sink};

use crate::snapshot::Manifest;

/// Sends the announcement and the group's offsets in one transaction. The snapshot on disk is the
/// truth; the offsets tell lag tools and retention how far it reads.
///
/// # Errors
/// As the sink's; the transaction is aborted where it can be.
pub(super) fn announce<G>(
    sink: &mut dyn Sink<Group = G>,
    group: &G,
    read: &str,
    manifest: &Manifest,
) -> Result<()> {
    sink.begin()?;
    let sent = fill(sink, group, read, manifest).and_then(|()| sink.commit());
    if let Err(error) = sent {
        // After an unknown outcome, or when fenced, there is nothing left to abort.
        if !matches!(error.kind(), ErrorKind::UnknownOutcome | ErrorKind::Fenced) {
            sink.abort()?;
        }
        return Err(error);
    }
    Ok(())
}

fn fill<G>(sink: &mut dyn Sink<Group = G>, group: &G, read: &str, manifest: &Manifest) -> Result<()> {
    let announcement = SnapshotAnnouncement {
        version: manifest.version,
        created_ms: manifest.created_ms,
        step: manifest.step,
        path: format!("v{:08}", manifest.version),
        offsets: manifest.offsets.clone(),
    };
    let payload = serde_json::to_vec(&announcement)
        .map_err(|error| Error::caused(ErrorKind::Configuration, format!("announcement: {error}"), error))?;
    sink.produce(Outgoing {
        topic: topic::SNAPSHOTS,
        partition: 0,
        key: None,
        payload: Some(payload),
        headers: Vec::new(),
    })?;
    let offsets: Vec<(i32, i64)> =
        manifest.offsets.iter().map(|(partition, next)| (*partition, *next)).collect();
    sink.send_offsets(group, read, &offsets)
}
