//! What a checkpoint consists of.

use serde::{Deserialize, Serialize};

use crate::Identity;

/// The version of the manifest's own form.
const VERSION: u32 = 1;
/// Folder of the manifests.
pub(super) const MANIFESTS: &str = "manifests";
/// Folder of the files.
pub(super) const FILES: &str = "files";
/// Names the newest manifest.
pub(super) const LATEST: &str = "latest";

/// One checkpoint: a store's identity and offset, and every file of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this form.
    pub(super) checkpoint: u32,
    /// What the store belongs to; it holds the version of the stored form too.
    pub identity: Identity,
    /// The store's next input offset: it holds all events before it.
    pub next_offset: i64,
    /// The files.
    pub files: Vec<StoredFile>,
}

/// One file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// Its name in the store's folder.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its content's SHA-256 in hexadecimal digits, by which it is stored.
    pub sha256: String,
}

impl Manifest {
    pub(super) fn new(identity: Identity, next_offset: i64, files: Vec<StoredFile>) -> Self {
        Self { checkpoint: VERSION, identity, next_offset, files }
    }

    /// Bytes of all its files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// Reads a manifest; the error says what is wrong with it.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes)
            .map_err(|error| format!("its manifest cannot be read ({error})"))?;
        if manifest.checkpoint != VERSION {
            return Err(format!(
                "manifest version {} was written by another version of this program, which reads {VERSION}",
                manifest.checkpoint
            ));
        }
        match manifest.files.iter().find(|file| !file.is_plain()) {
            Some(file) => {
                Err(format!("its manifest names `{}`, `{}`: no file of a store", file.name, file.sha256))
            }
            None => Ok(manifest),
        }
    }
}

impl StoredFile {
    /// Whether name and hash are what they should be, and could lead nowhere else.
    fn is_plain(&self) -> bool {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-' || c == '_';
        self.name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && self.name.chars().all(is_name)
            && self.sha256.len() == 64
            && self.sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }

    pub(super) fn object(&self) -> String {
        format!("{FILES}/{}", self.sha256)
    }
}

/// What `latest` holds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Latest {
    pub(super) next_offset: i64,
    pub(super) manifest: String,
}

impl Latest {
    pub(super) fn of(next_offset: i64) -> Self {
        Self { next_offset, manifest: object(next_offset) }
    }
}

/// The name of a checkpoint's manifest; names sort by offset.
pub(super) fn object(next_offset: i64) -> String {
    format!("{MANIFESTS}/{next_offset:020}.json")
}

/// The offset in a manifest's name.
pub(super) fn offset(name: &str) -> Option<i64> {
    name.strip_suffix(".json")?.parse().ok().filter(|offset| *offset >= 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::FORMAT_VERSION;

    fn manifest(name: &str, sha256: &str) -> Manifest {
        let identity = Identity {
            format: FORMAT_VERSION,
            topic: "events".into(),
            group: "job".into(),
            partition: 3,
            partitions: 4,
            features: "maths=1".into(),
            visits_kept: 200,
        };
        let file = StoredFile { name: name.to_owned(), bytes: 7, sha256: sha256.to_owned() };
        Manifest::new(identity, 12, vec![file])
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        let hash = "0".repeat(64);
        let read = |name: &str, hash: &str| Manifest::decode(&manifest(name, hash).encode());
        assert_eq!(read("000012.sst", &hash).unwrap(), manifest("000012.sst", &hash));
        assert!(read("MANIFEST-000004", &hash).is_ok());
        for name in ["../x", "a/b", "..", ".x", "", "/etc/passwd"] {
            assert!(read(name, &hash).unwrap_err().contains("no file of a store"), "{name}");
        }
        for hash in ["", "../0", &"g".repeat(64)] {
            assert!(read("CURRENT", hash).is_err(), "{hash}");
        }
    }

    #[test]
    fn another_version_is_refused() {
        let newer = Manifest { checkpoint: 2, ..manifest("CURRENT", &"0".repeat(64)) };
        assert!(Manifest::decode(&newer.encode()).unwrap_err().contains("version 2"));
    }

    #[test]
    fn names_sort_by_offset() {
        assert_eq!(object(12), "manifests/00000000000000000012.json");
        assert_eq!(offset("00000000000000000012.json"), Some(12));
        assert_eq!((offset("-1.json"), offset("x.json"), offset("12")), (None, None, None));
    }

    proptest! {
        #[test]
        fn rubbish_is_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Manifest::decode(&bytes).is_err());
        }

        #[test]
        fn a_cut_or_changed_manifest_never_panics(at in 0..400usize, byte in any::<u8>()) {
            let whole = manifest("000012.sst", &"a".repeat(64)).encode();
            let at = at % whole.len();
            prop_assert!(Manifest::decode(&whole[..at]).is_err());
            let mut changed = whole;
            changed[at] = byte;
            let _ = Manifest::decode(&changed);
        }
    }
}
