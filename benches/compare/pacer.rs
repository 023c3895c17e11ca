//! Requests at a fixed rate, whatever the server does ("open loop").
//!
//! Each connection has its own schedule, and latency is measured from the time when a request was due, not when it was
//! sent: a server that stalls cannot hide the delay of later requests.

use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{self, Connection};
use crate::failure::{During, Failure};
use crate::servers::{STATUS_PATH, Server};

pub(crate) const CONNECTIONS: u32 = 8;
const REQUESTS_PER_SECOND: u32 = 1_000;

/// Time between requests: a thousand per second, but slightly more than a millisecond. The kernel samples the CPU mode in
/// whole milliseconds, and would otherwise always catch the server at the same point, or never.
const GAP: Duration = Duration::from_nanos(1_000_700);

/// Time between opening the connections and the first request.
const SETTLE: Duration = Duration::from_millis(50);

/// Sends requests for `seconds`, and returns all latencies, unsorted.
pub(crate) fn run(server: &Server, seconds: u32) -> Result<Vec<Duration>, Failure> {
    let each = seconds * REQUESTS_PER_SECOND / CONNECTIONS;
    let connections = (0..CONNECTIONS).map(|_| Connection::open(server.port));
    let connections = connections.collect::<io::Result<Vec<_>>>().during("open connections for a fixed rate")?;
    let begin = Instant::now() + SETTLE;
    thread::scope(|scope| {
        let starts = (0..CONNECTIONS).map(|index| begin + GAP * index);
        let threads = starts
            .zip(connections)
            .map(|(start, connection)| scope.spawn(move || follow_schedule(connection, server.port, start, each)));
        let mut latencies = Vec::new();
        for thread in threads.collect::<Vec<_>>() {
            let measured = thread.join().map_err(|_| Failure::new("a pacer panicked"))?;
            latencies.extend(measured.during("send requests at a fixed rate")?);
        }
        Ok(latencies)
    })
}

fn follow_schedule(mut connection: Connection, port: u16, start: Instant, count: u32) -> io::Result<Vec<Duration>> {
    minimize_timer_slack();
    let request = client::get(port, STATUS_PATH);
    let mut latencies = Vec::with_capacity(count as usize);
    for turn in 0..count {
        let due = start + GAP * CONNECTIONS * turn;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        connection.exchange(&request)?;
        latencies.push(due.elapsed());
    }
    Ok(latencies)
}

/// Asks the kernel not to delay this thread's timers by the default 50 µs. If it refuses, the delay is the same for all
/// servers.
fn minimize_timer_slack() {
    let _ = fs::write("/proc/thread-self/timerslack_ns", "1");
}
