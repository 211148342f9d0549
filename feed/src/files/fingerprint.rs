//! What tells one set of files from another.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::FeedError;

/// Bytes looked at, from each end of a file.
const SAMPLE_BYTES: u64 = 64 * 1024;

/// A text for the kind of files and, per file, its name, its size and a hash of its first and last
/// 64 KiB; and the sizes' sum in bytes. The folder is left out, so a file may be moved; a change
/// in the middle that keeps the size is not seen.
pub(super) fn fingerprint(kind: &str, files: &[PathBuf]) -> Result<(String, u64), FeedError> {
    let mut text = kind.to_owned();
    let mut bytes = 0;
    for path in files {
        let (size, hash) = sample(path).map_err(|error| FeedError::io(path, "reading it", error))?;
        bytes += size;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        text.push_str(&format!(" {name} ({size} bytes, {hash})"));
    }
    Ok((text, bytes))
}

fn sample(path: &PathBuf) -> std::io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut hash = Sha256::new();
    let mut sample = Vec::new();
    (&mut file).take(SAMPLE_BYTES).read_to_end(&mut sample)?;
    hash.update(&sample);
    sample.clear();
    file.seek(SeekFrom::Start(size.saturating_sub(SAMPLE_BYTES)))?;
    (&mut file).take(SAMPLE_BYTES).read_to_end(&mut sample)?;
    hash.update(&sample);
    let hash = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Ok((size, hash))
}
