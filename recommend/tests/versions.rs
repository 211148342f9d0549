//! Versions are written whole, kept as many as asked, and removed only where nobody needs them.
#![allow(clippy::unwrap_used)]

use hmisr_features::Id;
use hmisr_recommend::artifact::{
    Artifact, FolderLock, latest_version, promote, remove, remove_after, versions,
};
use hmisr_recommend::{ErrorKind, Event, Known, Lambda, Origin, Recommender, Request};

use crate::common::{ITEMS, version};

#[test]
fn what_is_published_is_read_back_and_answers() {
    let root = tempfile::tempdir().unwrap();
    let manifest = version(root.path(), 5);
    let artifact = Artifact::open(root.path(), None).unwrap();
    assert_eq!(*artifact.manifest(), manifest);
    assert_eq!(artifact.attached("notes.txt").unwrap().unwrap(), b"mine");
    assert_eq!(artifact.attached("other.txt").unwrap(), None);
    let recommender = Recommender::load(root.path(), None).unwrap();
    let history: Vec<Event> = (0..9u32).map(|n| Event::new(Id::from(n), i64::from(n) * 1_000)).collect();
    let ask = |history: &[Event], k, lambda, exclude: &dyn Fn(&Id) -> bool| {
        let known = Known { history, ..Known::default() };
        recommender.recommend(&Request { known, k, lambda, exclude, ..Request::default() }).unwrap()
    };
    let answer = ask(&history, 5, Lambda::Fixed(0.0), &|id| history.iter().any(|seen| seen.item == *id));
    assert_eq!((answer.items.len(), answer.source), (5, Origin::Model));
    assert!(answer.items.iter().all(|item| item.item_id.as_int() >= Some(9)));
    assert!(answer.items.is_sorted_by(|a, b| a.score >= b.score && a.relevance_rank < b.relevance_rank));
    // Nothing is known of the user: the items chosen most often.
    let unknown = [Event::new(Id::text("unheard of").unwrap(), 5)];
    for history in [&[][..], &unknown] {
        let answer = ask(history, 3, Lambda::Fixed(0.5), &|id| *id == Id::from(1));
        let ids: Vec<Id> = answer.items.iter().map(|item| item.item_id.clone()).collect();
        assert_eq!((answer.source, ids), (Origin::Popularity, vec![Id::from(0), Id::from(2), Id::from(3)]));
    }
    // More than there is, nothing at all, everything excluded.
    assert_eq!(ask(&history, 5_000, Lambda::Fixed(1.0), &|_| false).items.len(), ITEMS as usize);
    assert!(ask(&history, 0, Lambda::Fixed(1.0), &|_| false).items.is_empty());
    assert!(ask(&history, 5, Lambda::Fixed(1.0), &|_| true).items.is_empty());
}

#[test]
fn the_newest_are_kept_and_the_promoted_one() {
    let root = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        version(root.path(), 3);
    }
    promote(root.path(), 2).unwrap();
    for _ in 0..3 {
        version(root.path(), 2);
    }
    assert_eq!(versions(root.path()).unwrap(), [2, 5, 6]);
    assert_eq!(latest_version(root.path()).unwrap(), Some(6));
}

#[test]
fn neither_the_newest_nor_the_promoted_one_is_removed() {
    let root = tempfile::tempdir().unwrap();
    (0..4).for_each(|_| drop(version(root.path(), 9)));
    promote(root.path(), 2).unwrap();
    for (one, kind, said) in [
        (2, ErrorKind::Configuration, "hmisr model release"),
        (4, ErrorKind::Configuration, "the newest"),
        (9, ErrorKind::Missing, "4 versions, 1 to 4"),
    ] {
        let error = remove(root.path(), one).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains(said), "{error}");
    }
    remove(root.path(), 1).unwrap();
    assert_eq!(versions(root.path()).unwrap(), [2, 3, 4]);
    remove_after(root.path(), 2).unwrap();
    assert_eq!((versions(root.path()).unwrap(), latest_version(root.path()).unwrap()), (vec![2], Some(2)));
    assert_eq!(remove_after(root.path(), 7).unwrap_err().kind(), ErrorKind::Missing);
}

#[test]
fn one_writer_at_a_time() {
    let root = tempfile::tempdir().unwrap();
    let held = FolderLock::take(root.path()).unwrap();
    let error = FolderLock::take(root.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    drop(held);
    FolderLock::take(root.path()).unwrap();
}
