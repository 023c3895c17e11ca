//! Measures the license server with 10,000 and with 1,000,000 licenses, and prints one table.
//!
//!     cargo bench --bench license-server                five rounds, about seven minutes
//!     cargo bench --bench license-server -- --quick     one short round, to see that it works
//!     cargo bench --bench license-server -- --fresh     makes the databases anew
//!
//! The real binary is asked over real keep-alive connections; a 200 counts only once it says `"valid":true`, signatures
//! and stored rows are verified of a sample. Both sizes take turns second by second, so that whatever else the machine
//! does meets both alike; each figure is the median of its rounds, each ratio the median of the rounds' ratios. A missed target
//! is a finding and leaves the exit status 0; 1 means that something could not be measured.

// A benchmark measures real time and prints; it indexes series that it has built itself.
#![allow(clippy::disallowed_methods, clippy::indexing_slicing, clippy::print_stdout, clippy::print_stderr)]

mod answer;
mod contents;
mod disk;
#[path = "../compare/failure.rs"]
mod failure;
mod figures;
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
use template::Template;

/// Licenses of the two databases, in the order of every pair.
const SIZES: [u32; 2] = [10_000, 1_000_000];

/// Clients that ask at the same time.
const CONNECTIONS: [usize; 3] = [1, 8, 64];

fn main() -> ExitCode {
    let outcome = Options::from_arguments().and_then(|options| measure(&options));
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

fn measure(options: &Options) -> Result<Report, Failure> {
    let root = options.root();
    let databases =
        [Template::ready(&root, SIZES[0], options.fresh)?, Template::ready(&root, SIZES[1], options.fresh)?];
    let mut figures = Figures::default();
    for number in 0..options.rounds {
        figures.disk.push(disk::synced_writes_per_second(&root, options.seconds)?);
        let mut servers = [Server::start(databases[0].copy()?)?, Server::start(databases[1].copy()?)?];
        figures.rounds.push(take_round(options, number, &mut servers)?);
        for (size, server) in servers.into_iter().enumerate() {
            figures.pss[size].push(server.pss_mib()?);
            figures.log[size].push(server.log_megabytes()?);
            server.kill_and_check()?;
        }
        figures.single_commits.push(single_commits::commits_per_second(&databases[1].copy()?, options.seconds)?);
        eprintln!("license-server: round {} of {} is done", number + 1, options.rounds);
    }
    let sizes = [databases[0].bytes()?, databases[1].bytes()?];
    for database in &databases {
        database.clean()?;
    }
    Ok(Report::new(options.to_string(), sizes, figures))
}

/// Every case with both sizes, which take turns second by second.
fn take_round(options: &Options, number: u32, servers: &mut [Server; 2]) -> Result<Round, Failure> {
    let mut round = Round::default();
    for kind in [Kind::Refresh, Kind::Activation] {
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
