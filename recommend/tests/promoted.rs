//! Servers take the newest version unless one is promoted.
#![allow(clippy::unwrap_used)]

use hmisr_recommend::ErrorKind;
use hmisr_recommend::artifact::{promote, promoted, release, served_version};

use crate::common::{replace, version};

#[test]
fn a_promoted_version_stays_until_it_is_released() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(served_version(root.path()).unwrap(), None);
    assert!(!release(root.path()).unwrap());
    (0..3).for_each(|_| drop(version(root.path(), 9)));
    assert_eq!(served_version(root.path()).unwrap(), Some(3));
    promote(root.path(), 1).unwrap();
    version(root.path(), 9);
    assert_eq!((served_version(root.path()).unwrap(), promoted(root.path()).unwrap()), (Some(1), Some(1)));
    promote(root.path(), 2).unwrap();
    assert_eq!(served_version(root.path()).unwrap(), Some(2));
    assert!(release(root.path()).unwrap());
    assert_eq!((served_version(root.path()).unwrap(), promoted(root.path()).unwrap()), (Some(4), None));
}

#[test]
fn what_cannot_be_served_is_not_promoted() {
    let root = tempfile::tempdir().unwrap();
    (0..2).for_each(|_| drop(version(root.path(), 9)));
    replace(root.path(), 1, "model.safetensors", b"nonsense");
    assert_eq!(promote(root.path(), 1).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(promote(root.path(), 7).unwrap_err().kind(), ErrorKind::Missing);
    assert_eq!(served_version(root.path()).unwrap(), Some(2));
    std::fs::write(root.path().join("PROMOTED"), "the best one\n").unwrap();
    let error = served_version(root.path()).unwrap_err();
    assert!(error.to_string().contains("PROMOTED") && error.to_string().contains("the best one"), "{error}");
}
