//! `cargo bench --bench operations`: measures operations on a host with 10, 1,000 and 5,000 sites.
//!
//! The host is a directory tree, with real runs of nginx, PHP and useradd. The results are medians of the total time from
//! request to response. Needs root, nginx and PHP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark measures real time, prints results, and panics on unexpected errors"
)]

#[path = "../compare/client.rs"]
#[allow(dead_code, reason = "the other benchmark uses more of it")]
mod client;
#[path = "../compare/failure.rs"]
mod failure;
mod helper;
mod host;
#[path = "../compare/scratch.rs"]
mod scratch;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use client::Connection;
use failure::{During, Failure};
use host::{Agent, Host};

/// The numbers of existing sites, and the targets for 1,000 sites.
const SITES: [usize; 3] = [10, 1000, 5000];
const STATUS_TARGET: Duration = Duration::from_millis(2);
const CREATE_TARGET: Duration = Duration::from_millis(1500);

const CREATIONS: usize = 7;
const STATUSES: usize = 2000;
const OPERATIONS: usize = 1000;

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("operations: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<(), Failure> {
    let host = Host::create()?;
    println!("{:>6}  {:>22}  {:>22}", "sites", "/domains/create", "/ssl/status");
    let mut existing = 0;
    for sites in SITES {
        host.seed(existing..sites)?;
        existing = sites;
        let creations = (0..CREATIONS).map(|number| create(&host, &format!("new{sites}x{number}")));
        let created = median(creations.collect::<Result<_, _>>()?);
        let agent = Agent::start(&host)?;
        let status = median(statuses(&agent, sites / 2)?);
        let verdict = |time: Duration, target: Duration| if time <= target { "reached" } else { "MISSED" };
        let verdicts = if sites == 1000 {
            format!("  ≤ 1.5 s: {}, ≤ 2 ms: {}", verdict(created, CREATE_TARGET), verdict(status, STATUS_TARGET))
        } else {
            String::new()
        };
        println!("{sites:>6}  {:>19.1} ms  {:>19.3} ms{verdicts}", milliseconds(created), milliseconds(status));
    }
    memory(&Agent::start(&host)?)
}

/// Creates an account with its site, and returns the time from request to reply.
fn create(host: &Host, name: &str) -> Result<Duration, Failure> {
    let begin = Instant::now();
    host.change("/domains/create", &host::creation(name))?;
    Ok(begin.elapsed())
}

fn statuses(agent: &Agent, number: usize) -> Result<Vec<Duration>, Failure> {
    let request = agent.request("/ssl/status", &format!(r#"{{"domain":"{}"}}"#, host::domain(&host::seeded(number))));
    let mut connection = Connection::open(agent.port).during("connect")?;
    let once = |connection: &mut Connection| {
        let begin = Instant::now();
        let answer = connection.exchange(&request).during("/ssl/status")?;
        let time = begin.elapsed();
        if answer.status == 200 { Ok(time) } else { Err(Failure::new(String::from_utf8_lossy(answer.body))) }
    };
    (0..STATUSES).map(|_| once(&mut connection)).collect()
}

/// Prints the Agent's memory before and after many operations, each in a separate process.
fn memory(agent: &Agent) -> Result<(), Failure> {
    let body = format!(
        r#"{{"domain":"{0}","username":"{1}","log_type":"access"}}"#,
        host::domain(&host::seeded(0)),
        host::seeded(0)
    );
    let request = agent.request("/logs/tail", &body);
    let mut connection = Connection::open(agent.port).during("connect")?;
    let mut run = |times: usize| {
        for _ in 0..times {
            let answer = connection.exchange(&request).during("/logs/tail")?;
            if answer.status != 200 {
                return Err(Failure::new(String::from_utf8_lossy(answer.body)));
            }
        }
        Ok(())
    };
    // Warm up: memory that the first operations allocate permanently is not growth.
    run(OPERATIONS / 10)?;
    let (before, begin) = (agent.resident_kib()?, Instant::now());
    run(OPERATIONS)?;
    let each = begin.elapsed() / u32::try_from(OPERATIONS).unwrap_or(u32::MAX);
    let after = agent.resident_kib()?;
    println!(
        "\n{OPERATIONS} operations (/logs/tail, {:.1} ms each): {before} KiB before, {after} KiB after",
        milliseconds(each)
    );
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
