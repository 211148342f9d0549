//! Topics, offsets and transactions in one RocksDB, inside the process.
