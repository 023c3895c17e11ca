//! Requests at a fixed rate, whatever the server does ("open loop").
//!
//! Each connection has a timetable of its own, and a latency counts from the time a request was due, not from when it
//! could be sent: a server that stalls cannot hide the requests it held up.

use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{self, Connection};
use crate::failure::{During, Failure};
use crate::servers::{STATUS_PATH, Server};

pub(crate) const CONNECTIONS: u32 = 8;
const REQUESTS_PER_SECOND: u32 = 1_000;

/// From one request to the next: a thousand a second, and a trifle more than a millisecond. The kernel's ticks, by which
/// it divides CPU time into the server's and its own, are whole milliseconds apart: they would always find the server at
/// the same place, or never.
const GAP: Duration = Duration::from_nanos(1_000_700);

/// Time from the last connection's opening to the first request.
const SETTLE: Duration = Duration::from_millis(50);

/// The latency of every request of `seconds`, unsorted.
pub(crate) fn run(server: &Server, seconds: u32) -> Result<Vec<Duration>, Failure> {
    let each = seconds * REQUESTS_PER_SECOND / CONNECTIONS;
    let connections = (0..CONNECTIONS).map(|_| Connection::open(server.port));
    let connections = connections.collect::<io::Result<Vec<_>>>().during("open connections for a fixed rate")?;
    let begin = Instant::now() + SETTLE;
    thread::scope(|scope| {
        let starts = (0..CONNECTIONS).map(|place| begin + GAP * place);
        let threads = starts
            .zip(connections)
            .map(|(start, connection)| scope.spawn(move || keep_timetable(connection, server.port, start, each)));
        let mut latencies = Vec::new();
        for thread in threads.collect::<Vec<_>>() {
            let measured = thread.join().map_err(|_| Failure::new("a pacer panicked"))?;
            latencies.extend(measured.during("send requests at a fixed rate")?);
        }
        Ok(latencies)
    })
}

fn keep_timetable(mut connection: Connection, port: u16, start: Instant, count: u32) -> io::Result<Vec<Duration>> {
    wake_punctually();
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

/// Asks the kernel not to put this thread's timers off by its usual 50 µs. Where it will not, all servers get the same
/// 50 µs on top.
fn wake_punctually() {
    let _ = fs::write("/proc/thread-self/timerslack_ns", "1");
}
