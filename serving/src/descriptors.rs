//! How many files and connections the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are left to everything but connections: the stores' files, the brokers' connections.
const OTHERS: u64 = 512;

/// How many connections there is room for, of `wanted`: without it an attacker's connections would take the
/// descriptors of the stores. Raises what the process may have open to what it may raise it to.
pub(crate) fn room_for(wanted: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err() {
        tracing::debug!(?current, ?maximum, "the limit of open files stays as it is");
    }
    let Some(most) = getrlimit(Resource::Nofile).current else { return wanted };
    let room = room_within(most);
    if room < wanted {
        tracing::warn!(
            open_files = most,
            connections = room,
            "serving.max_connections = {wanted} is more than the limit of open files leaves beside {OTHERS} for \
             everything else: raise it (ulimit -n, LimitNOFILE=)"
        );
    }
    wanted.min(room)
}

fn room_within(most: u64) -> usize {
    // At least half of what there is, so that a small limit still serves.
    usize::try_from(most.saturating_sub(OTHERS).max(most / 2).max(1)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_left_for_the_stores() {
        assert_eq!(room_within(4_096), 3_584);
        assert_eq!(room_within(1_024), 512);
        assert_eq!(room_within(256), 128);
        assert_eq!(room_within(0), 1);
        assert_eq!(room_for(1), 1);
    }
}
