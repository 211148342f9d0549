//! Deletion of what no checkpoint that is kept names.

use std::collections::BTreeSet;

use super::PartitionCheckpoints;
use super::manifest::{self, FILES};
use crate::Result;

/// Files that were in no manifest at the last look. Only a file that is in none at the next look
/// either is deleted.
///
/// A writer that was fenced can finish the one round that it is in, and no more. What it deletes
/// in that round was in no manifest before the round began, so it cannot be a file that its
/// successor has restored from and therefore does not upload again. The same pause keeps the
/// files of an upload whose manifest is not written yet.
#[derive(Debug, Default)]
pub struct Condemned(BTreeSet<String>);

impl PartitionCheckpoints {
    /// Keeps the newest `keep` checkpoints. Deletes the manifests of the others, and the files
    /// that were condemned by the last call and are still in no manifest. Only for who has just
    /// moved `latest` ([`PartitionCheckpoints::publish`]).
    ///
    /// # Errors
    /// Kinds `Unavailable`, or `Corrupt` where a manifest that is kept cannot be read: then its
    /// files are not known, and nothing is deleted.
    pub fn retain(&self, keep: usize, condemned: &mut Condemned) -> Result<()> {
        let offsets = self.offsets()?;
        let (kept, old) = offsets.split_at(keep.max(1).min(offsets.len()));
        let mut named = BTreeSet::new();
        for offset in kept {
            named.extend(self.manifest(*offset)?.files.into_iter().map(|file| file.sha256));
        }
        for offset in old {
            self.objects.delete(&manifest::object(*offset))?;
        }
        let mut unnamed: BTreeSet<String> = self.objects.list(FILES)?.into_keys().collect();
        unnamed.retain(|file| !named.contains(file));
        for file in unnamed.intersection(&condemned.0) {
            self.objects.delete(&format!("{FILES}/{file}"))?;
        }
        condemned.0 = unnamed.difference(&condemned.0).cloned().collect();
        Ok(())
    }
}
