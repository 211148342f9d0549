//! A full disk ends the job with an error that says so; with space again it goes on, and nothing
//! is lost or twice.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{Bench, event};
use hmisr_pipeline::ErrorKind;
use hmisr_stream::contract::{Event, topic};

/// A file system of a few megabytes, unmounted at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where mounting is not allowed.
    fn mount(path: &Path, bytes: u64) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let size = format!("size={bytes}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(path).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(path.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

fn outputs(bench: &Bench) -> BTreeMap<Option<Vec<u8>>, Vec<Option<Vec<u8>>>> {
    let mut users: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for name in [topic::USER_FEATURES, topic::TRAINING_EXAMPLES, topic::DEAD_LETTERS] {
        bench
            .contents(name)
            .into_iter()
            .for_each(|(_, key, payload)| users.entry(key).or_default().push(payload));
    }
    users
}

#[test]
fn a_full_disk_loses_nothing() {
    let bench = Bench::new(2);
    let Some(_disk) = SmallDisk::mount(&bench.state_folder(), 12 << 20) else {
        // Not eprintln!, which the test harness keeps to itself.
        let _ = writeln!(std::io::stderr(), "A FULL DISK IS NOT TESTED: this user may not mount a tmpfs");
        return;
    };
    let ballast = bench.state_folder().join("ballast");
    std::fs::write(&ballast, vec![1; 11 << 20]).unwrap();
    let stream: Vec<Event> =
        (0..20_000_u32).map(|n| event(n % 7_001, n % 5_003, 1_000_000 + i64::from(n))).collect();
    bench.send(&stream);
    let error = bench.run().err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let text = error.to_string();
    assert!(text.contains(&bench.state_folder().display().to_string()), "{text}");
    assert!(text.contains("the disk is full: free space") && text.contains("start again"), "{text}");
    // As long as nothing is freed it ends the same, and makes nothing worse.
    assert!(bench.run().err().unwrap().to_string().contains("the disk is full"));
    std::fs::remove_file(ballast).unwrap();
    bench.run().unwrap();
    let calm = Bench::new(2);
    calm.send(&stream);
    calm.run().unwrap();
    assert_eq!(outputs(&bench), outputs(&calm));
}
