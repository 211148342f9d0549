//! Damages what a broker has on its disk, while it is stopped.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly, its helpers too")]

use std::path::{Path, PathBuf};

/// Where a batch's fields stand, from its beginning.
const LENGTH: usize = 8;
const CRC: usize = 17;
const ATTRIBUTES: usize = 21;
const RECORDS: usize = 61;

/// What happens to a batch.
#[derive(Debug, Clone, Copy)]
pub enum Damage {
    /// A byte of a record is another; the checksum is not.
    Byte,
    /// It is said to be compressed by what does not exist; the checksum is right.
    Codec,
    /// Compressed bytes are cut by zeros; the checksum is right.
    Compression,
}

/// Damages the batch number `batch` of a partition in the data of a broker of one node; returns its offset
/// and the one behind it.
pub fn damage(broker: &Path, topic: &str, partition: i32, batch: usize, how: Damage) -> (i64, i64) {
    let path: PathBuf = broker.join(format!("data/{topic}-{partition}/00000000000000000000.log"));
    let mut log = std::fs::read(&path).unwrap();
    let number = |log: &[u8], at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
    let mut at = 0;
    for _ in 0..batch {
        at += 12 + number(&log, at + LENGTH) as usize;
    }
    let offset = i64::from_be_bytes(log[at..at + 8].try_into().unwrap());
    let last = number(&log, at + 23);
    let end = at + 12 + number(&log, at + LENGTH) as usize;
    match how {
        Damage::Byte => log[end - 2] ^= 0x55,
        Damage::Codec => log[at + ATTRIBUTES + 1] = log[at + ATTRIBUTES + 1] & !7 | 6,
        Damage::Compression => {
            assert!(log[at + ATTRIBUTES + 1] & 7 != 0, "the batch is not compressed");
            log[at + RECORDS + 2..end].fill(0);
        }
    }
    if !matches!(how, Damage::Byte) {
        let sum = crc32c(&log[at + ATTRIBUTES..end]);
        log[at + CRC..at + CRC + 4].copy_from_slice(&sum.to_be_bytes());
    }
    std::fs::write(&path, log).unwrap();
    (offset, offset + i64::from(last) + 1)
}

/// The checksum of batches.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { (sum >> 1) ^ 0x82f6_3b78 } else { sum >> 1 };
    !bytes.iter().fold(!0, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum)))
}
