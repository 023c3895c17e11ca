//! wrk, for requests per second.

use std::process::Command;

use crate::failure::{During, Failure};
use crate::servers::{STATUS_PATH, Server};

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Connections {
    KeptAlive,
    /// A new one for each request, as the Panel does.
    OnePerRequest,
}

/// Requests per second that `server` answers over `count` connections. Any answer but a good one is a failure.
pub(crate) fn requests_per_second(
    server: &Server,
    count: u32,
    connections: Connections,
    seconds: u32,
) -> Result<f64, Failure> {
    let mut wrk = Command::new("wrk");
    // Two threads, so that wrk is not what limits a server that uses two CPUs.
    wrk.arg(format!("-t{}", count.min(2))).arg(format!("-c{count}")).arg(format!("-d{seconds}s"));
    if connections == Connections::OnePerRequest {
        wrk.args(["-H", "Connection: close"]);
    }
    wrk.arg(format!("http://127.0.0.1:{}{STATUS_PATH}", server.port));
    let output = wrk.output().during("run wrk")?;
    parse(&String::from_utf8_lossy(&output.stdout))
}

fn parse(output: &str) -> Result<f64, Failure> {
    let failed = ["Non-2xx", "Socket errors"].iter().any(|sign| output.contains(sign));
    let rate = output.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    let rate = rate.and_then(|rate| rate.trim().parse().ok()).filter(|_| !failed);
    rate.ok_or_else(|| Failure::new(format!("wrk saw requests fail:\n{output}")))
}
