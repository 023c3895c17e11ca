//! Compares the Agent with nginx and Go's net/http, all serving the same small JSON, and prints a table.
//!
//!     cargo bench --bench compare                     five rounds, about ten minutes
//!     cargo bench --bench compare -- --quick          one short round, to check that it works
//!     cargo bench --bench compare -- --rounds 9 --seconds 5
//!     cargo bench --bench compare -- --json FILE      writes all results as JSON, with commit and date
//!     cargo bench --bench compare -- --against FILE   compares the results with those of an earlier run
//!
//! Rounds are interleaved, so that other activity on the machine affects all three alike; results are medians over the
//! rounds. Missing tools (wrk, nginx, Go) are installed from Debian. A missed target does not change the exit status 0;
//! 1 means that a measurement failed.

// A benchmark measures real time and prints; it only indexes series of known length.
#![allow(clippy::disallowed_methods, clippy::indexing_slicing, clippy::print_stdout, clippy::print_stderr)]

mod arguments;
mod client;
mod cpu;
mod effort;
mod failure;
mod fairness;
mod idle;
#[path = "../../tests/it/support/fake_license_server.rs"]
mod license_server;
mod memory;
mod pacer;
mod process;
mod record;
mod report;
mod rounds;
mod scratch;
mod servers;
mod signed;
mod startup;
mod steady;
mod table;
mod throughput;
mod tools;
mod workplace;
mod wrk;

use std::process::ExitCode;

use arguments::Arguments;
use effort::Effort;
use failure::Failure;
use record::{Record, Run};
use report::Report;
use servers::{Agents, Peers};
use workplace::Workplace;

fn main() -> ExitCode {
    match Arguments::read().and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("compare: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { effort, json, against } = arguments;
    // Report problems with the files before measuring for ten minutes.
    let earlier = against.as_deref().map(Record::read).transpose()?;
    json.as_deref().map(record::check_writable).transpose()?;
    let run = Run::start(effort)?;
    let report = measure(effort)?;
    print!("{report}");
    if let Some(earlier) = earlier {
        print!("\n{}", earlier.compare(&report));
    }
    let record = Record::new(run, &report)?;
    json.as_deref().map(|path| record.write(path)).transpose()?;
    Ok(())
}

fn measure(effort: &Effort) -> Result<Report, Failure> {
    tools::install_missing()?;
    let place = Workplace::create()?;
    let agents = Agents::new(&place)?;
    let agent = agents.start_verified()?;
    let peers = Peers::new(&place, &agent.status()?)?;
    let trio = [agent, peers.start_nginx()?, peers.start_go()?];
    servers::check_same_body(&trio)?;

    let mut report = Report::new(effort.to_string());
    report.add(startup::measure(effort, &agents, &peers)?);
    report.add(memory::measure(effort, &agents, &peers)?);
    report.add(memory::binary_size()?);
    report.add(idle::measure(effort, &trio)?);
    report.add(steady::measure(effort, &trio)?);
    report.add(signed::measure(effort, &trio[0], agents.secret())?);
    report.add(throughput::measure(effort, &trio)?);
    report.add(fairness::measure(effort, &trio)?);
    Ok(report)
}
