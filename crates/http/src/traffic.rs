//! What the front counts: how many clients there are, how many had to go, and what was answered.

use std::collections::BTreeMap;

/// What answers are counted under when a request names no path of ours, or was refused before it could be looked at.
pub const UNKNOWN_ROUTE: &str = "unknown";

/// The counts. The front thread alone has them, so they are plain numbers; a service sees them with each request.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Connections that are open, the one that asks among them.
    pub connections: usize,
    /// Connections that were closed to make room for others.
    pub evictions: u64,
    answers: BTreeMap<(&'static str, u16), u64>,
}

impl Traffic {
    /// Counts an answer with this status to a request for `route`, which is never a text of the client's.
    pub(super) fn answered(&mut self, route: &'static str, status: u16) {
        let count = self.answers.entry((route, status)).or_default();
        *count = count.saturating_add(1);
    }

    /// How many answers each route and status had, in their order.
    pub fn answers(&self) -> impl Iterator<Item = (&'static str, u16, u64)> {
        self.answers.iter().map(|((route, status), count)| (*route, *status, *count))
    }
}
