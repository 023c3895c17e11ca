//! Measures the license server with 10,000 and with 1,000,000 licenses, and prints one table.
//!
//!     cargo bench --bench license-server                five rounds, about seven minutes
//!     cargo bench --bench license-server -- --quick     one short round, as a smoke test
//!     cargo bench --bench license-server -- --fresh     recreates the databases
//!     cargo bench --bench license-server -- --lists     the lists of the dashboard and of the vendor API instead
//!     cargo bench --bench license-server -- --against WORKTREE    beside another version, in turns
//!     cargo bench --bench license-server -- --engine postgresql    PostgreSQL beside SQLite and pgbench
//!
//! The load generator uses keep-alive connections to the real binary. Every response must be a 200 with `"valid":true`;
//! signatures and stored rows are verified for a sample. Both sizes take turns every second, so that disturbances affect
//! both. Results are medians over the rounds, and ratios are medians of the ratios of each round. A missed target is
//! reported but does not change the exit status 0; 1 means that a measurement failed.

// A benchmark measures real time, prints, and indexes its own arrays.
#![allow(clippy::disallowed_methods, clippy::indexing_slicing, clippy::print_stdout, clippy::print_stderr)]

mod against;
mod answer;
mod contents;
mod disk;
mod engines;
#[path = "../compare/failure.rs"]
mod failure;
mod figures;
#[allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "of the tests: what fails there ends this, too"
)]
#[path = "../../tests/it/support/postgresql/mod.rs"]
mod laboratory;
mod list_contents;
mod lists;
mod load;
mod options;
mod random;
mod report;
mod server;
mod single_commits;
mod template;

use std::process::ExitCode;

use failure::Failure;
use figures::{Case, Figures, Round};
use load::Kind;
use options::Options;
use report::Report;
use server::Server;
use template::{Copy, Template};

/// The numbers of licenses in the two databases, in the order of all pairs.
const SIZES: [u32; 2] = [10_000, 1_000_000];

/// The numbers of concurrent connections.
const CONNECTIONS: [usize; 3] = [1, 8, 64];

fn main() -> ExitCode {
    let outcome = Options::from_arguments().and_then(|options| report(&options));
    match outcome {
        Ok(report) => {
            print!("{report}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("license-server: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn report(options: &Options) -> Result<String, Failure> {
    if options.lists {
        let template = Template::ready(&options.root(), SIZES[1], options.fresh)?;
        let report = lists::measure(template.copy()?)?;
        template.clean()?;
        return Ok(report.to_string());
    }
    if let Some(worktree) = &options.against {
        return against::measure(options, worktree).map(|comparison| comparison.to_string());
    }
    if options.on_postgresql {
        return engines::measure(options, &SIZES).map(|comparison| comparison.to_string());
    }
    measure(options).map(|report| report.to_string())
}

fn measure(options: &Options) -> Result<Report, Failure> {
    let root = options.root();
    let databases =
        [Template::ready(&root, SIZES[0], options.fresh)?, Template::ready(&root, SIZES[1], options.fresh)?];
    let mut figures = Figures::default();
    for number in 0..options.rounds {
        figures.disk.push(disk::synced_writes_per_second(&root, options.seconds)?);
        let mut servers = [start(databases[0].copy()?)?, start(databases[1].copy()?)?];
        disk::wait_until_quiet(&root)?;
        figures.rounds.push(take_round(options, number, &mut servers)?);
        for (size, server) in servers.into_iter().enumerate() {
            figures.pss[size].push(server.pss_mib()?);
            figures.log[size].push(server.log_megabytes()?);
            server.kill_and_check()?;
        }
        figures.single_commits.push(single_commits::commits_per_second(&databases[1].copy()?, options.seconds)?);
        eprintln!("license-server: round {} of {} done", number + 1, options.rounds);
    }
    let sizes = [databases[0].bytes()?, databases[1].bytes()?];
    for database in &databases {
        database.clean()?;
    }
    Ok(Report::new(options.to_string(), sizes, figures))
}

/// Starts this version.
fn start(copy: Copy) -> Result<Server, Failure> {
    Server::start(server::BINARY.as_ref(), copy)
}

/// Measures all cases with both sizes, which take turns every second.
fn take_round(options: &Options, number: u32, servers: &mut [Server; 2]) -> Result<Round, Failure> {
    let mut round = Round::default();
    for kind in [Kind::Refresh, Kind::Activation, Kind::Refusal] {
        for connections in CONNECTIONS {
            let mut pair = [Case::default(), Case::default()];
            for turn in number..number + 2 * options.seconds {
                let size = turn as usize % 2;
                servers[size].measure(kind, connections, &mut pair[size])?;
            }
            pair.iter_mut().for_each(Case::sort);
            round.cases.push(pair);
        }
    }
    Ok(round)
}
