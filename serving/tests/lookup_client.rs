//! Look-ups over HTTP: several pipelines, one of them dead, and servers that are none.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::common::{Running, Users, item, settings};
use hmisr_serving::{LookedIn, LookupClient, Settings, UserLookup};
use hmisr_stream::Partitioner;
use hmisr_stream::contract::{Id, Owners, PartitionOwner};
use hmisr_testkit::until;

fn lookup(urls: &[&str]) -> LookupClient {
    let lookup_urls = urls.iter().map(|url| (*url).to_owned()).collect();
    LookupClient::new(&Settings { lookup_urls, lookup_timeout_ms: 10_000, ..settings() }).unwrap()
}

fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

/// A pipeline that owns the partitions of these users only.
fn owner(users: &[(&str, &[Id])]) -> Running {
    Running::pipeline(Arc::new(Users { others_not_owned: true, ..Users::new(users) }))
}

/// A URL where nothing listens any more.
fn dead() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn each_pipeline_is_asked_until_the_owner_answers() {
    let odd = "a/../b c?#%&+ü";
    let first = owner(&[("1", &[item(1, 1)])]);
    let second = Running::pipeline(Arc::new(Users::new(&[("2", &[]), (odd, &[]), ("..", &[])])));
    let both = lookup(&[&first.base, &format!("{}/", second.base)]);
    both.ready().unwrap();
    assert_eq!(both.user(&id("1")).unwrap().unwrap().visits[0].item_id, item(1, 1));
    for user in ["2", odd, ".."] {
        assert_eq!(both.user(&id(user)).unwrap().unwrap().user_id, id(user));
    }
    assert_eq!(both.user(&id("3")).unwrap(), None);
}

#[test]
fn a_dead_pipeline_hides_nobody() {
    let alive = owner(&[("1", &[])]);
    let gone = dead();
    let both = lookup(&[&gone, &alive.base]);
    both.ready().unwrap();
    assert_eq!(both.user(&id("1")).unwrap().unwrap().user_id, id("1"));
    let error = both.user(&id("2")).unwrap_err().to_string();
    assert!(error.contains(&gone) && error.contains("lookup_urls"), "{error}");
    assert!(lookup(&[&gone]).ready().is_err());

    // The server says so with a 503, not with a false 404.
    let server = Running::pipeline(Arc::new(lookup(&[&gone, &alive.base])));
    assert_eq!(server.get("/v1/users/1").status, 200);
    let answer = server.get("/v1/users/2");
    assert_eq!((answer.status, answer.error_kind().as_str()), (503, "lookup_unavailable"));
}

#[test]
fn only_the_owner_says_that_a_user_is_unknown() {
    let other = owner(&[("1", &[])]);
    let answer = other.get("/v1/users/2");
    assert_eq!((answer.status, answer.error_kind().as_str()), (503, "not_owned"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    // Nobody owns the partition, as while it moves.
    let error = lookup(&[&other.base]).user(&id("2")).unwrap_err().to_string();
    assert!(error.contains(&other.base) && error.contains("partition 3"), "{error}");
    let server = Running::pipeline(Arc::new(lookup(&[&other.base])));
    assert_eq!(server.get("/v1/users/2").status, 503);
    // The owner's word is enough, whatever the others' state.
    let owns_all = Running::pipeline(Arc::new(Users::default()));
    assert_eq!(lookup(&[&other.base, &dead(), &owns_all.base]).user(&id("2")).unwrap(), None);
}

#[test]
fn a_pipeline_that_is_not_ready_is_an_error() {
    let users = Arc::new(Users::default());
    users.down.store(true, Ordering::SeqCst);
    let pipeline = Running::pipeline(users);
    let lookup = lookup(&[&pipeline.base]);
    let error = lookup.user(&id("1")).unwrap_err().to_string();
    assert!(error.contains("partition 1 is replayed"), "{error}");
    assert!(lookup.ready().unwrap_err().to_string().contains("503"));
}

#[test]
fn a_server_that_is_no_pipeline_is_an_error() {
    for answer in [
        "HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\nconnection: close\r\n\r\nnot found",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
        "HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        "nonsense\r\n\r\n",
        "",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4_096]);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        let error = lookup(&[&url]).user(&id("1")).unwrap_err().to_string();
        assert!(error.contains(&url), "{answer:?}: {error}");
    }
}

#[test]
fn a_silent_pipeline_runs_into_the_time_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let settings = Settings { lookup_urls: vec![url.clone()], lookup_timeout_ms: 100, ..settings() };
    let error = LookupClient::new(&settings).unwrap().user(&id("1")).unwrap_err().to_string();
    assert!(error.contains(&url) && error.contains("timeout"), "{error}");
}

/// The pipeline at `url` owns everybody.
fn announced(url: &str) -> Owners {
    let mut owners = Owners::default();
    owners.apply(PartitionOwner { partition: 0, partitions: 1, url: Some(url.to_owned()), generation: 1 });
    owners
}

/// A server that gives one answer to all, and the requests that it got.
fn stub(answer: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let got = requests.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut request, mut part) = (Vec::new(), [0; 4_096]);
            while !request.ends_with(b"\r\n\r\n") {
                match stream.read(&mut part) {
                    Ok(count) if count > 0 => request.extend_from_slice(&part[..count]),
                    _ => break,
                }
            }
            got.lock().unwrap().push(String::from_utf8(request).unwrap());
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (url, requests)
}

#[test]
fn an_announcement_alone_is_not_shown_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let lookup_token_file = folder.path().join("token");
    std::fs::write(&lookup_token_file, "0123456789abcdef").unwrap();
    let alive = Running::pipeline(Arc::new(Users::new(&[("1", &[])])));
    for (hosts, shown) in [(vec![], false), (vec!["127.0.0.1".to_owned()], true)] {
        let (url, requests) =
            stub("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let settings = Settings {
            lookup_urls: vec![alive.base.clone()],
            lookup_token_file: lookup_token_file.clone(),
            lookup_hosts: hosts,
            lookup_timeout_ms: 10_000,
            ..settings()
        };
        let client = LookupClient::new(&settings).unwrap().with_owners(move || Ok(announced(&url)));
        until("the owner is asked", || {
            // Nobody is lost by it: the others are asked as well.
            assert!(client.user(&id("1")).unwrap().is_some());
            !requests.lock().unwrap().is_empty()
        });
        for request in requests.lock().unwrap().iter() {
            assert_eq!(request.contains("0123456789abcdef"), shown, "{request}");
        }
    }
}

#[test]
fn an_owner_with_too_much_to_do_has_the_last_word() {
    let (url, requests) = stub(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 50\r\nconnection: close\r\n\r\n\
         {\"error\":{\"kind\":\"overloaded\",\"message\":\"queued\"}}",
    );
    let (other, others) = stub("");
    let reads = Arc::new(AtomicUsize::new(0));
    let (told, counted) = (url.clone(), reads.clone());
    let client = lookup(&[&other]).with_owners(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(announced(&told))
    });
    until("the owner is asked", || {
        client.user(&id("1")).unwrap_err();
        !requests.lock().unwrap().is_empty()
    });
    let (asked, read) = (others.lock().unwrap().len(), reads.load(Ordering::SeqCst));
    let error = client.user(&id("1")).unwrap_err().to_string();
    assert!(error.contains(&url) && error.contains("queued"), "{error}");
    assert_eq!((others.lock().unwrap().len(), reads.load(Ordering::SeqCst)), (asked, read));
}

/// Each URL owns one of the partitions, in their order.
fn in_order(urls: &[&str]) -> Owners {
    let mut owners = Owners::default();
    for (partition, url) in (0..).zip(urls) {
        let partitions = urls.len() as i32;
        owners.apply(PartitionOwner { partition, partitions, url: Some((*url).to_owned()), generation: 1 });
    }
    owners
}

/// A pipeline that looks in one of three partitions, and has these users there.
fn owner_of(partition: i32, users: &[(&str, &[Id])]) -> Running {
    let looked_in = Some(LookedIn { looked_in: vec![partition], partitions: 3 });
    Running::pipeline(Arc::new(Users { others_not_owned: true, looked_in, ..Users::new(users) }))
}

fn asked(pipelines: &[&Running]) -> f64 {
    let of = |pipeline: &&Running, outcome: &str| {
        let text = pipeline.get("/metrics").text;
        let name = format!("hmisr_serving_lookup_seconds_count{{outcome=\"{outcome}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0.0, |count| count.parse().unwrap())
    };
    pipelines.iter().map(|it| of(it, "found") + of(it, "unknown") + of(it, "failed")).sum()
}

#[test]
fn a_user_in_any_partition_is_found_and_each_owner_asked_once() {
    // Every user is with the last owner, wherever a partitioner expects them.
    let users: Vec<(String, Vec<Id>)> = (0..20).map(|user| (user.to_string(), Vec::new())).collect();
    let users: Vec<(&str, &[Id])> = users.iter().map(|(user, items)| (user.as_str(), &items[..])).collect();
    let owners = [owner_of(0, &[]), owner_of(1, &[]), owner_of(2, &users)];
    let all: Vec<&Running> = owners.iter().collect();
    let urls: Vec<String> = owners.iter().map(|owner| owner.base.clone()).collect();
    for partitioner in Partitioner::KNOWN.into_iter().chain([Partitioner::Any]) {
        let known = in_order(&urls.iter().map(String::as_str).collect::<Vec<_>>());
        // The owners' own URLs again, and one where nobody is: neither is asked.
        let gone = dead();
        let client = lookup(&[&format!("{}/", urls[0]), &gone])
            .with_owners(move || Ok(known.clone()))
            .with_partitioner(partitioner);
        until("the owners are known", || client.user(&id("0")).is_ok_and(|found| found.is_some()));
        let before = asked(&all);
        for (user, _) in &users {
            assert!(client.user(&id(user)).unwrap().is_some(), "{partitioner} {user}");
        }
        assert!(asked(&all) - before <= (owners.len() * users.len()) as f64);

        // Nobody has that one: all owners are asked, once each, and then for a moment nobody.
        let nobody = id(&format!("nobody-{partitioner}"));
        let before = asked(&all);
        assert_eq!(client.user(&nobody).unwrap(), None);
        assert_eq!(asked(&all) - before, owners.len() as f64);
    }
}

#[test]
fn where_a_partition_was_not_looked_in_nobody_is_unknown() {
    let (first, second, gone) = (owner_of(0, &[("1", &[])]), owner_of(1, &[]), dead());
    let known = in_order(&[&first.base, &second.base, &gone]);
    let client = lookup(&[&first.base]).with_owners(move || Ok(known.clone()));
    until("the owners are known", || {
        // Somebody who is there is found, whoever is gone.
        assert!(client.user(&id("1")).unwrap().is_some());
        let error = client.user(&id("nobody")).unwrap_err().to_string();
        error.contains("1 of 3 partitions (2)") && error.contains(&gone)
    });
    // The same without owners.
    let client = lookup(&[&first.base, &second.base]);
    let error = client.user(&id("nobody")).unwrap_err().to_string();
    assert!(error.contains("1 of 3 partitions (2)"), "{error}");
    // One that was replaced and does not know it says that nobody has the user: it has no say.
    let replaced = Running::pipeline(Arc::new(Users::default()));
    let known = in_order(&[&first.base, &second.base, &gone]);
    let client = lookup(&[&replaced.base]).with_owners(move || Ok(known.clone()));
    until(
        "the owners are known",
        || matches!(client.user(&id("nobody")), Err(error) if error.to_string().contains(&gone)),
    );
}
