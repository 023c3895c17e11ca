//! What a client may make us hold, and for how long.

use std::time::Duration;

/// Bytes of a request head: request line, headers, and the empty line.
pub const MAX_HEAD: usize = 8 * 1024;

/// Headers of a request.
pub const MAX_HEADERS: usize = 64;

/// Bytes of a body on a route that needs no more.
pub const SMALL_BODY: usize = 64 * 1024;

/// Bytes that all connections together hold of small requests, and as many of large ones: 8 MiB in all.
pub const KIND_OF_REQUESTS: usize = 4 * 1024 * 1024;

/// Bytes up to which a request is a small one.
pub const SMALL_REQUEST: usize = MAX_HEAD + SMALL_BODY;

/// Bytes up to which an empty buffer is kept for what comes next; a larger one is given back.
pub const KEPT_BUFFER: usize = 4 * 1024;

/// From the first byte of a request to its last.
pub const REQUEST_TIME: Duration = Duration::from_secs(10);

/// Without a byte between two requests.
pub const IDLE_TIME: Duration = Duration::from_secs(15);

/// From the first byte of an answer to its last.
pub const WRITE_TIME: Duration = Duration::from_secs(10);

/// In a lane before it is run.
pub const LANE_TIME: Duration = Duration::from_secs(30);

/// After a refusal, so that the client can read it before the connection is reset.
pub const LINGER_TIME: Duration = Duration::from_secs(2);

/// Bytes that are thrown away meanwhile.
pub const LINGER_BYTES: usize = 4 * 1024 * 1024;

/// Connections taken from the listener before others have their turn.
pub const TURN: usize = 64;

/// Bytes of one read, after which others have their turn.
pub const READ: usize = 16 * 1024;

/// Steps of one connection (a read that does not fill [`READ`], a request, a write) before others have their turn.
pub const STEPS: usize = 8;

/// How long the listener rests when the process has no descriptor left for a new connection.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long running requests may still take once the daemon was told to stop.
pub const STOP_TIME: Duration = Duration::from_secs(5);

/// What differs between one server and another.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at one time.
    pub connections: usize,
}
