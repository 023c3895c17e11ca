//! Counts of connections, evictions and responses.

use std::collections::BTreeMap;

/// The route of requests for unknown paths, and of those refused before they reached the service.
pub const UNKNOWN_ROUTE: &str = "unknown";

/// The counts. Only the front thread changes them, so they are plain integers; a service sees them with each request.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Open connections, including the one that sent the request.
    pub connections: usize,
    /// Connections closed to make room for others.
    pub evictions: u64,
    answers: BTreeMap<(&'static str, u16), u64>,
}

impl Traffic {
    /// Counts a response with this status for `route`, which must not be text from the client.
    pub(super) fn answered(&mut self, route: &'static str, status: u16) {
        let count = self.answers.entry((route, status)).or_default();
        *count = count.saturating_add(1);
    }

    /// The number of responses for each route and status, sorted.
    pub fn answers(&self) -> impl Iterator<Item = (&'static str, u16, u64)> {
        self.answers.iter().map(|((route, status), count)| (*route, *status, *count))
    }
}
