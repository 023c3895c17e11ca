//! The limits on all clients together, and the choice of the client to evict when they are exceeded.

use std::cmp::Reverse;

use crate::connection::{Connection, EvictionOrder};
use crate::limits::{Limits, SIZE_CLASS_BYTES, SMALL_REQUEST};
use crate::slab::{Key, Slab};

/// The limits and the current use.
#[derive(Debug)]
pub(super) struct Budget {
    limits: Limits,
    /// Memory that all connections hold for requests, in bytes.
    held: usize,
}

/// The two size classes of requests. Each has its own limit, so that neither can push out the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SizeClass {
    Small,
    Large,
}

/// What one client uses.
#[derive(Clone, Copy, Debug)]
struct Usage {
    key: Key,
    held: usize,
    /// None if it cannot be evicted.
    eviction_order: Option<EvictionOrder>,
}

impl Budget {
    /// An unused budget.
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, held: 0 }
    }

    /// Whether the connection limit is reached.
    pub(super) fn is_full(&self, connections: &Slab<Connection>) -> bool {
        connections.len() >= self.limits.connections
    }

    /// Records that a connection's memory changed from `before` to `after` bytes.
    pub(super) fn account(&mut self, before: usize, after: usize) {
        self.held = self.held.saturating_sub(before).saturating_add(after);
    }

    /// Whether a size class may exceed its limit. While both together are within the limit of one, neither does.
    pub(super) fn is_near_limit(&self) -> bool {
        self.held > SIZE_CLASS_BYTES
    }
}

impl SizeClass {
    /// Both classes, in the order in which they are checked.
    pub(super) const ALL: [Self; 2] = [Self::Small, Self::Large];

    fn of(held: usize) -> Self {
        if held > SMALL_REQUEST { Self::Large } else { Self::Small }
    }
}

/// The first connection in eviction order.
pub(super) fn eviction_candidate(connections: &Slab<Connection>) -> Option<Key> {
    usages(connections).filter_map(|usage| Some((usage.eviction_order?, usage.key))).min().map(|(_, key)| key)
}

/// The connection to evict if this size class exceeds its limit; none if it does not.
pub(super) fn over_budget(class: SizeClass, connections: &Slab<Connection>, newcomer: Key) -> Option<Key> {
    candidate(class, usages(connections), newcomer)
}

fn usages(connections: &Slab<Connection>) -> impl Iterator<Item = Usage> + Clone {
    connections.iter().map(|(key, connection)| Usage {
        key,
        held: connection.held(),
        eviction_order: connection.eviction_order(),
    })
}

/// Among small requests, picks the one without activity for the longest time; among large ones, the largest. Never picks
/// a running request, and picks `newcomer`, which has just received bytes, only if there is no other.
fn candidate(class: SizeClass, usages: impl Iterator<Item = Usage> + Clone, newcomer: Key) -> Option<Key> {
    let of_class = usages.filter(|usage| SizeClass::of(usage.held) == class);
    if of_class.clone().map(|usage| usage.held).sum::<usize>() <= SIZE_CLASS_BYTES {
        return None;
    }
    let size = |usage: &Usage| if class == SizeClass::Large { usage.held } else { 0 };
    let others = of_class.filter(|usage| usage.key != newcomer && usage.held > 0);
    let spare =
        others.filter_map(|usage| Some((Reverse(size(&usage)), usage.eviction_order?.last_activity(), usage.key)));
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

    /// A client in use that was last active at `last_activity`.
    fn usage(number: u64, held: usize, last_activity: Instant) -> Usage {
        Usage { key: key(number), held, eviction_order: Some(EvictionOrder::InUse(last_activity)) }
    }

    /// The most small requests that are within the limit; the first has been inactive for the longest time.
    fn small_ones(start: Instant) -> Vec<Usage> {
        let count = SIZE_CLASS_BYTES / SMALL_REQUEST;
        (0..count as u64).map(|n| usage(n, SMALL_REQUEST, start + Duration::from_secs(n))).collect()
    }

    fn evicted(class: SizeClass, usages: &[Usage]) -> Option<Key> {
        candidate(class, usages.iter().copied(), key(NEWCOMER))
    }

    #[test]
    fn the_small_request_without_activity_for_the_longest_time_is_evicted() {
        let start = Instant::now();
        let mut usages = small_ones(start);
        assert_eq!(evicted(SizeClass::Small, &usages), None);
        usages.push(usage(NEWCOMER, SMALL_REQUEST, start));
        assert_eq!(evicted(SizeClass::Small, &usages), Some(key(0)));
        usages[0].eviction_order = None;
        assert_eq!(evicted(SizeClass::Small, &usages), Some(key(1)), "the first is running");
        usages[1].eviction_order = Some(EvictionOrder::Refused(start + Duration::from_secs(1000)));
        assert_eq!(
            evicted(SizeClass::Small, &usages),
            Some(key(2)),
            "a refused request holds no more memory than others"
        );
    }

    #[test]
    fn the_largest_of_the_large_requests_is_evicted() {
        let start = Instant::now();
        let third = SIZE_CLASS_BYTES / 3;
        let mut usages = vec![usage(1, third, start), usage(2, third + 1, start), usage(3, third, start)];
        assert_eq!(evicted(SizeClass::Large, &usages), None);
        usages.push(usage(NEWCOMER, third + 2, start));
        assert_eq!(
            evicted(SizeClass::Large, &usages),
            Some(key(2)),
            "the newcomer is larger, but has just received bytes"
        );
        assert_eq!(evicted(SizeClass::Small, &usages), None);
    }

    #[test]
    fn the_newcomer_is_evicted_only_when_no_other_can_be() {
        let start = Instant::now();
        let mut usages = small_ones(start);
        usages.iter_mut().for_each(|usage| usage.eviction_order = None);
        usages.push(usage(NEWCOMER, SMALL_REQUEST, start));
        assert_eq!(evicted(SizeClass::Small, &usages), Some(key(NEWCOMER)));
        usages.push(usage(50_000, 0, start));
        assert_eq!(
            evicted(SizeClass::Small, &usages),
            Some(key(NEWCOMER)),
            "closing an empty connection frees no memory"
        );
    }

    #[test]
    fn large_requests_do_not_push_out_small_ones() {
        let start = Instant::now();
        let mut usages = small_ones(start);
        usages.push(usage(NEWCOMER, SIZE_CLASS_BYTES, start));
        assert_eq!((evicted(SizeClass::Small, &usages), evicted(SizeClass::Large, &usages)), (None, None));
    }
}
