//! What all clients together may take, and which of them has to go when that is too much.

use std::cmp::Reverse;

use crate::connection::{Connection, Worth};
use crate::limits::{KIND_OF_REQUESTS, Limits, SMALL_REQUEST};
use crate::slab::{Key, Slab};

/// What is allowed, and how much of it is taken.
#[derive(Debug)]
pub(super) struct Budget {
    limits: Limits,
    /// Bytes that all connections hold of requests.
    held: usize,
}

/// The two kinds of requests, which are bounded each by itself so that neither can push out the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Small,
    Large,
}

/// What one client takes.
#[derive(Clone, Copy, Debug)]
struct Share {
    key: Key,
    held: usize,
    /// None when it cannot be given up.
    worth: Option<Worth>,
}

impl Budget {
    /// Nothing is taken yet.
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, held: 0 }
    }

    /// Whether there is no room for another connection.
    pub(super) fn is_full(&self, connections: &Slab<Connection>) -> bool {
        connections.len() >= self.limits.connections
    }

    /// A connection that held `before` bytes holds `after` now.
    pub(super) fn account(&mut self, before: usize, after: usize) {
        self.held = self.held.saturating_sub(before).saturating_add(after);
    }

    /// Whether a kind of requests may take too much. While both together are within the bound of one, neither does.
    pub(super) fn may_be_exceeded(&self) -> bool {
        self.held > KIND_OF_REQUESTS
    }
}

impl Kind {
    /// Both, in the order in which they are looked at.
    pub(super) const ALL: [Self; 2] = [Self::Small, Self::Large];

    fn of(held: usize) -> Self {
        if held > SMALL_REQUEST { Self::Large } else { Self::Small }
    }
}

/// The connection that can best be spared.
pub(super) fn least_worth(connections: &Slab<Connection>) -> Option<Key> {
    shares(connections).filter_map(|share| Some((share.worth?, share.key))).min().map(|(_, key)| key)
}

/// Who has to go so that requests of this kind take less; none when they are within bounds.
pub(super) fn too_much(kind: Kind, connections: &Slab<Connection>, newcomer: Key) -> Option<Key> {
    who_goes(kind, shares(connections), newcomer)
}

fn shares(connections: &Slab<Connection>) -> impl Iterator<Item = Share> + Clone {
    connections.iter().map(|(key, connection)| Share { key, held: connection.held(), worth: connection.worth() })
}

/// Of the small ones the one goes that has waited longest for bytes, of the large ones the one that holds most; never one
/// that is being run, and not the one that just got bytes unless it is the only one.
fn who_goes(kind: Kind, shares: impl Iterator<Item = Share> + Clone, newcomer: Key) -> Option<Key> {
    let of_kind = shares.filter(|share| Kind::of(share.held) == kind);
    if of_kind.clone().map(|share| share.held).sum::<usize>() <= KIND_OF_REQUESTS {
        return None;
    }
    let size = |share: &Share| if kind == Kind::Large { share.held } else { 0 };
    let others = of_kind.filter(|share| share.key != newcomer && share.held > 0);
    let spare = others.filter_map(|share| Some((Reverse(size(&share)), share.worth?.moved_at(), share.key)));
    Some(spare.min().map_or(newcomer, |(.., key)| key))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the instants are the tests' own")]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    const NEWCOMER: u64 = 99;

    fn key(number: u64) -> Key {
        Key::from_bits(number)
    }

    /// A client in use whose bytes last moved at `moved_at`.
    fn share(number: u64, held: usize, moved_at: Instant) -> Share {
        Share { key: key(number), held, worth: Some(Worth::InUse(moved_at)) }
    }

    /// As many small requests as are just within bounds, the first of them the one that has waited longest.
    fn small_ones(start: Instant) -> Vec<Share> {
        let count = KIND_OF_REQUESTS / SMALL_REQUEST;
        (0..count as u64).map(|n| share(n, SMALL_REQUEST, start + Duration::from_secs(n))).collect()
    }

    fn goes(kind: Kind, shares: &[Share]) -> Option<Key> {
        who_goes(kind, shares.iter().copied(), key(NEWCOMER))
    }

    #[test]
    fn of_small_requests_the_one_goes_that_has_waited_longest() {
        let start = Instant::now();
        let mut shares = small_ones(start);
        assert_eq!(goes(Kind::Small, &shares), None);
        shares.push(share(NEWCOMER, SMALL_REQUEST, start));
        assert_eq!(goes(Kind::Small, &shares), Some(key(0)));
        shares[0].worth = None;
        assert_eq!(goes(Kind::Small, &shares), Some(key(1)), "the first is being run");
        shares[1].worth = Some(Worth::Refused(start + Duration::from_secs(1000)));
        assert_eq!(goes(Kind::Small, &shares), Some(key(2)), "what is refused holds no more than others");
    }

    #[test]
    fn of_large_requests_the_largest_goes() {
        let start = Instant::now();
        let third = KIND_OF_REQUESTS / 3;
        let mut shares = vec![share(1, third, start), share(2, third + 1, start), share(3, third, start)];
        assert_eq!(goes(Kind::Large, &shares), None);
        shares.push(share(NEWCOMER, third + 2, start));
        assert_eq!(goes(Kind::Large, &shares), Some(key(2)), "it has just got bytes itself");
        assert_eq!(goes(Kind::Small, &shares), None);
    }

    #[test]
    fn who_just_got_bytes_goes_only_when_no_other_can() {
        let start = Instant::now();
        let mut shares = small_ones(start);
        shares.iter_mut().for_each(|share| share.worth = None);
        shares.push(share(NEWCOMER, SMALL_REQUEST, start));
        assert_eq!(goes(Kind::Small, &shares), Some(key(NEWCOMER)));
        shares.push(share(50_000, 0, start));
        assert_eq!(goes(Kind::Small, &shares), Some(key(NEWCOMER)), "to close what holds nothing does not help");
    }

    #[test]
    fn large_requests_do_not_push_out_small_ones() {
        let start = Instant::now();
        let mut shares = small_ones(start);
        shares.push(share(NEWCOMER, KIND_OF_REQUESTS, start));
        assert_eq!((goes(Kind::Small, &shares), goes(Kind::Large, &shares)), (None, None));
    }
}
