//! Runs wrk to measure requests per second.

use std::process::Command;

use crate::failure::{During, Failure};
use crate::servers::{STATUS_PATH, Server};

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Connections {
    KeptAlive,
    /// A new connection for each request, like the Panel.
    OnePerRequest,
}

/// The result of a run.
pub(crate) struct Throughput {
    pub(crate) requests: u64,
    pub(crate) per_second: f64,
}

/// Sends requests to `server` over `count` connections for `seconds`. Any error or status other than 2xx is a failure.
pub(crate) fn run(server: &Server, count: u32, connections: Connections, seconds: u32) -> Result<Throughput, Failure> {
    let mut wrk = Command::new("wrk");
    // Two threads, so that wrk does not limit a server that uses two CPUs.
    wrk.arg(format!("-t{}", count.min(2))).arg(format!("-c{count}")).arg(format!("-d{seconds}s"));
    if connections == Connections::OnePerRequest {
        wrk.args(["-H", "Connection: close"]);
    }
    wrk.arg(format!("http://127.0.0.1:{}{STATUS_PATH}", server.port));
    let output = wrk.output().during("run wrk")?;
    parse(&String::from_utf8_lossy(&output.stdout))
}

fn parse(output: &str) -> Result<Throughput, Failure> {
    let failed = ["Non-2xx", "Socket errors"].iter().any(|sign| output.contains(sign));
    let per_second = output.lines().find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok());
    // For example “  61234 requests in 1.00s, 21.5MB read”.
    let requests = output.lines().find_map(|line| line.split_once(" requests in ")?.0.trim().parse().ok());
    let answered = requests.zip(per_second).filter(|_| !failed);
    let answered = answered.map(|(requests, per_second)| Throughput { requests, per_second });
    answered.ok_or_else(|| Failure::new(format!("requests failed in wrk:\n{output}")))
}
