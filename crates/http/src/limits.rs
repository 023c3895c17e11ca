//! Limits on memory and time that a client can use.

use std::time::Duration;

/// Largest request head in bytes: request line, headers, and the empty line.
pub const MAX_HEAD: usize = 8 * 1024;

/// Largest number of headers in a request.
pub const MAX_HEADERS: usize = 64;

/// Largest body, in bytes, on most routes.
pub const SMALL_BODY: usize = 64 * 1024;

/// Memory for the requests of one size class, over all connections, in bytes. With two classes, that is 8 MiB in all.
pub const SIZE_CLASS_BYTES: usize = 4 * 1024 * 1024;

/// Largest request in bytes that counts as small.
pub const SMALL_REQUEST: usize = MAX_HEAD + SMALL_BODY;

/// Largest empty buffer, in bytes, that a connection keeps for its next request; a larger one is freed.
pub const RETAINED_BUFFER: usize = 4 * 1024;

/// Time for a request to arrive, from its first byte to its last.
pub const REQUEST_TIME: Duration = Duration::from_secs(10);

/// Time that a connection may be idle between two requests.
pub const IDLE_TIME: Duration = Duration::from_secs(15);

/// Time for a response to be sent, from its first byte to its last.
pub const WRITE_TIME: Duration = Duration::from_secs(10);

/// Time that a request may wait in a lane.
pub const LANE_TIME: Duration = Duration::from_secs(30);

/// Time after a refusal in which the client can read it before the connection is closed.
pub const LINGER_TIME: Duration = Duration::from_secs(2);

/// Input that is discarded during [`LINGER_TIME`], in bytes.
pub const LINGER_BYTES: usize = 4 * 1024 * 1024;

/// Connections accepted in one turn of the listener.
pub const TURN: usize = 64;

/// Largest read in bytes. A full one ends a connection's turn.
pub const READ: usize = 16 * 1024;

/// Steps of a connection (a read that does not fill [`READ`], a request, a write) in one turn.
pub const STEPS: usize = 8;

/// How long accepting pauses when the process has no file descriptor for a new connection.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Time that running requests have to finish during a shutdown.
pub const STOP_TIME: Duration = Duration::from_secs(5);

/// Limits that depend on the process.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest number of simultaneous connections.
    pub connections: usize,
}
