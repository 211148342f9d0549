//! What is waited for has a limit, and says what it was.

use std::time::{Duration, Instant};

/// Long enough on a busy machine for anything that happens at all.
const LIMIT: Duration = Duration::from_secs(120);
/// The longest pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits until something holds; looks often at first.
///
/// # Panics
/// Where it has not come after two minutes.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let give_up = Instant::now() + LIMIT;
    let mut pause = Duration::from_millis(5);
    while !holds() {
        assert!(Instant::now() < give_up, "still waiting after {LIMIT:?}: {what}");
        std::thread::sleep(pause);
        pause = (2 * pause).min(PAUSE);
    }
}
