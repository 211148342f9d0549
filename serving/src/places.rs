//! Which connections are open, whose they are, and which goes where there is no room.
//!
//! A connection is either the server's to serve or waits for its client: for a request, or for an answer to be
//! taken. Where all places are taken, the one that has waited for its client longest is closed: whoever opens
//! many and says nothing only pushes out his own. Where none waits, a few places beyond are there for health
//! and metrics alone, so that a full server can still be asked how it is.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Places beyond `max_connections`, for health and metrics.
const RESERVED: usize = 16;
/// How long a connection has waited for its client, at least, when it is closed for another's sake: who asks at
/// once is answered first.
const GRACE: Duration = Duration::from_millis(100);

/// The places of a server.
pub(crate) struct Places {
    most: usize,
    most_per_address: usize,
    began: Instant,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    open: HashMap<u64, Open>,
    /// How many of `open` each address has, and how many are reserved ones.
    by_address: HashMap<IpAddr, usize>,
    reserved: usize,
}

struct Open {
    address: IpAddr,
    is_reserved: bool,
    turn: Arc<Turn>,
}

/// What becomes of a new connection.
pub(crate) enum Entered {
    /// It has a place; whether another was closed for it.
    Place(Place, bool),
    /// Its address has as many as one may have, and none of them waits.
    Refused,
    /// There is no room for anybody, for the moment.
    Full,
}

impl Places {
    /// `most` places, of which one address has `most_per_address`.
    pub(crate) fn new(most: usize, most_per_address: usize) -> Self {
        Self { most, most_per_address, began: Instant::now(), taken: Mutex::default() }
    }

    /// A place for a connection from `address`.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Entered {
        let address = share(address);
        let now = self.now();
        let mut taken = self.taken();
        let its = taken.by_address.get(&address).copied().unwrap_or_default();
        let (is_over, is_full) =
            (its >= self.most_per_address, taken.open.len() - taken.reserved >= self.most);
        if !is_over && !is_full {
            return Entered::Place(self.take(&mut taken, address, false, now), false);
        }
        // An address that has its share makes room by its own.
        let of_its = |open: &Open| !open.is_reserved && (!is_over || open.address == address);
        if taken.close_longest_waiting(now, of_its) {
            return Entered::Place(self.take(&mut taken, address, false, now), true);
        }
        let mut closed = false;
        if taken.reserved >= RESERVED {
            closed = taken.close_longest_waiting(now, |open| open.is_reserved);
            if !closed {
                return if is_over { Entered::Refused } else { Entered::Full };
            }
        }
        Entered::Place(self.take(&mut taken, address, true, now), closed)
    }

    fn take(self: &Arc<Self>, taken: &mut Taken, address: IpAddr, is_reserved: bool, now: u64) -> Place {
        let number = taken.next;
        taken.next += 1;
        let turn = Arc::new(Turn {
            since: AtomicU64::new(now),
            in_request: AtomicBool::new(false),
            closed: Notify::new(),
        });
        taken.open.insert(number, Open { address, is_reserved, turn: turn.clone() });
        if is_reserved {
            taken.reserved += 1;
        } else {
            *taken.by_address.entry(address).or_default() += 1;
        }
        Place { places: self.clone(), number, is_reserved, turn }
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> usize {
        self.taken().open.len()
    }

    /// Milliseconds since the beginning, from 1.
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Every change is whole: a panic elsewhere leaves nothing half done.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Closes the one of those that `may` go which has waited for its client longest; whether one has.
    fn close_longest_waiting(&mut self, now: u64, may: impl Fn(&Open) -> bool) -> bool {
        let grace = u64::try_from(GRACE.as_millis()).unwrap_or(u64::MAX);
        let waiting = self.open.iter().filter(|(_, open)| may(open)).filter_map(|(number, open)| {
            let since = open.turn.since.load(Ordering::Relaxed);
            (since > 0 && since.saturating_add(grace) <= now).then_some((since, *number))
        });
        let Some((_, number)) = waiting.min() else { return false };
        if let Some(open) = self.remove(number) {
            open.turn.closed.notify_one();
        }
        true
    }

    fn remove(&mut self, number: u64) -> Option<Open> {
        let open = self.open.remove(&number)?;
        if open.is_reserved {
            self.reserved -= 1;
        } else if let Some(its) = self.by_address.get_mut(&open.address) {
            *its -= 1;
            if *its == 0 {
                self.by_address.remove(&open.address);
            }
        }
        Some(open)
    }
}

/// A connection's place, until it is dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    number: u64,
    is_reserved: bool,
    turn: Arc<Turn>,
}

impl Place {
    /// Whether it is for health and metrics alone.
    pub(crate) fn is_reserved(&self) -> bool {
        self.is_reserved
    }

    /// Waits until the place is given to another.
    pub(crate) async fn given_away(&self) {
        self.turn.closed.notified().await;
    }

    /// What tells whose turn it is.
    pub(crate) fn turns(&self) -> Turns {
        Turns { places: self.places.clone(), turn: self.turn.clone() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().remove(self.number);
    }
}

/// Whose turn it is on a connection.
struct Turn {
    /// Since when the client is waited for, as [`Places::now`] tells; 0 while the server has its turn.
    since: AtomicU64,
    /// Whether a request's head has come and its answer has not gone: its body has a bound of its own.
    in_request: AtomicBool,
    closed: Notify,
}

/// Tells whose turn it is.
#[derive(Clone)]
pub(crate) struct Turns {
    places: Arc<Places>,
    turn: Arc<Turn>,
}

impl Turns {
    /// A request is there to be answered.
    pub(crate) fn servers(&self) {
        self.turn.since.store(0, Ordering::Relaxed);
        self.turn.in_request.store(true, Ordering::Relaxed);
    }

    /// A request's body is waited for.
    pub(crate) fn body(&self) {
        self.turn.since.store(self.places.now(), Ordering::Relaxed);
    }

    /// The answer is there to be taken.
    pub(crate) fn clients(&self) {
        self.turn.since.store(self.places.now(), Ordering::Relaxed);
        self.turn.in_request.store(false, Ordering::Relaxed);
    }

    /// Whether the client is waited for, for a request or for an answer to be taken.
    pub(crate) fn is_clients(&self) -> bool {
        !self.turn.in_request.load(Ordering::Relaxed)
    }
}

/// What shares one share of the places: an IPv4 address, or what one customer is given of IPv6.
fn share(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    /// The place, whether it is a reserved one, and whether another was closed for it.
    fn place(entered: Entered) -> (Place, bool, bool) {
        match entered {
            Entered::Place(place, closed) => {
                let is_reserved = place.is_reserved();
                (place, is_reserved, closed)
            }
            Entered::Refused => panic!("refused"),
            Entered::Full => panic!("full"),
        }
    }

    /// Lets all that wait have waited so much longer.
    fn later(places: &Arc<Places>, by: Duration) {
        for open in places.taken().open.values() {
            let since = open.turn.since.load(Ordering::Relaxed);
            if since > 0 {
                open.turn.since.store(since.saturating_sub(by.as_millis() as u64).max(1), Ordering::Relaxed);
            }
        }
    }

    fn aged(places: &Arc<Places>) {
        std::thread::sleep(Duration::from_millis(2));
        later(places, Duration::from_secs(60));
    }

    /// Places whose beginning lies back, so that a past time can be told.
    fn places(most: usize, most_per_address: usize) -> Arc<Places> {
        let began = Instant::now().checked_sub(Duration::from_secs(600)).unwrap();
        Arc::new(Places { began, ..Places::new(most, most_per_address) })
    }

    #[test]
    fn the_one_that_has_waited_longest_makes_room() {
        let places = places(2, 2);
        let (slow, ..) = place(places.enter(from(1)));
        aged(&places);
        let (other, ..) = place(places.enter(from(2)));
        aged(&places);
        other.turns().servers();
        let (new, is_reserved, closed) = place(places.enter(from(3)));
        assert!(!is_reserved && closed && places.open() == 2);
        // Its task would end here; what it gives back is not given back twice.
        drop(slow);
        assert_eq!(places.open(), 2);
        drop((other, new));
        assert_eq!((places.open(), places.taken().by_address.len()), (0, 0));
    }

    #[test]
    fn where_all_are_being_served_a_few_are_for_health() {
        let places = places(2, 2);
        let served: Vec<Place> = (1..=2).map(|last| place(places.enter(from(last))).0).collect();
        served.iter().for_each(|place| place.turns().servers());
        aged(&places);
        let beyond: Vec<Place> = (0..RESERVED as u8)
            .map(|last| {
                let (place, is_reserved, closed) = place(places.enter(from(100 + last)));
                assert!(is_reserved && !closed);
                place
            })
            .collect();
        // They have just come: who comes now waits a moment, until one of them has had his time.
        assert!(matches!(places.enter(from(200)), Entered::Full));
        aged(&places);
        let (_, is_reserved, closed) = place(places.enter(from(200)));
        assert!(is_reserved && closed);
        drop(beyond);
        served[0].turns().clients();
        aged(&places);
        let (_, is_reserved, closed) = place(places.enter(from(200)));
        assert!(!is_reserved && closed, "a place is given as soon as one waits for its client");
    }

    #[test]
    fn an_address_pushes_out_only_its_own() {
        let places = places(10, 2);
        let (other, ..) = place(places.enter(from(1)));
        aged(&places);
        let its: Vec<Place> = (0..2).map(|_| place(places.enter(from(2))).0).collect();
        aged(&places);
        its[0].turns().servers();
        let (third, is_reserved, closed) = place(places.enter(from(2)));
        assert!(!is_reserved && closed);
        assert!(places.taken().open.contains_key(&other.number));
        // All of its are being served: health can still be asked for, a few at a time, and then no more.
        third.turns().servers();
        let beyond: Vec<Place> = (0..RESERVED).map(|_| place(places.enter(from(2))).0).collect();
        assert!(beyond.iter().all(Place::is_reserved));
        assert!(matches!(places.enter(from(2)), Entered::Refused));
        let (_, is_reserved, closed) = place(places.enter(from(3)));
        assert!(!is_reserved && !closed, "others have room as ever");
    }

    #[test]
    fn addresses_of_one_customer_are_one() {
        let one = |text: &str| share(text.parse().unwrap());
        assert_eq!(one("2001:db8:1:2::1"), one("2001:db8:1:2:ffff::9"));
        assert_ne!(one("2001:db8:1:2::1"), one("2001:db8:1:3::1"));
        assert_eq!(one("::ffff:192.0.2.1"), one("192.0.2.1"));
        assert_ne!(one("192.0.2.1"), one("192.0.2.2"));
    }
}
