//! Simulates a fleet of Agents over seven days with the Agent's own schedule, and prints what its license server gets to do.
//!
//!     cargo bench -p opterius-license --bench fleet                  10,000, 1,000,000 and 10,000,000 Agents
//!     cargo bench -p opterius-license --bench fleet -- --quick       10,000 Agents only
//!     cargo bench -p opterius-license --bench fleet -- --agents N    N Agents
//!     cargo bench -p opterius-license --bench fleet -- --svg DIR     also draws each week of 1,000,000 Agents
//!
//! Time is virtual, and the seed is fixed: the same schedule gives the same figures on every machine.

// A benchmark prints, and indexes its own arrays; a simulation casts between counts that it has bounded.
#![allow(clippy::disallowed_methods, clippy::indexing_slicing, clippy::print_stdout, clippy::print_stderr)]

mod figures;
mod picture;
#[path = "../license-server/random.rs"]
mod random;
mod report;
mod scenario;
mod simulation;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use figures::Figures;
use scenario::SCENARIOS;

/// How many Agents.
const SIZES: [u32; 3] = [10_000, 1_000_000, 10_000_000];
/// The size that is drawn.
const DRAWN: u32 = 1_000_000;
/// What one license server verifies per second: with 1,000,000 licenses a verification takes 95 µs of one CPU
/// (`benches/license-server`).
const CAPACITY: u32 = 10_000;
const SEED: u64 = 1;

const USAGE: &str = "usage: cargo bench -p opterius-license --bench fleet -- [--quick | --agents N] [--svg DIRECTORY]";

fn main() -> ExitCode {
    let (mut sizes, mut directory) = (SIZES.to_vec(), None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), arguments.len()) {
            // Cargo passes this to every benchmark.
            ("--bench", _) => {}
            ("--quick", _) => sizes.truncate(1),
            ("--agents", 1..) => sizes = arguments.next().and_then(|number| number.parse().ok()).into_iter().collect(),
            ("--svg", 1..) => directory = arguments.next().map(PathBuf::from),
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(64);
            }
        }
    }
    for agents in sizes {
        let started = Instant::now();
        let rows = SCENARIOS.map(|scenario| {
            let week = simulation::run(&scenario, agents, CAPACITY, SEED);
            let figures = Figures::of(&week, &scenario);
            let drawn = directory.as_ref().filter(|_| agents == DRAWN);
            if let Some(error) =
                drawn.and_then(|place| picture::store(place, &week, &scenario, &figures, CAPACITY).err())
            {
                eprintln!("{}: {error}", scenario.name);
            }
            (scenario.name, figures)
        });
        print!("{}", report::table(agents, CAPACITY, &rows));
        println!("\nSimulated in {} s.\n", started.elapsed().as_secs());
    }
    ExitCode::SUCCESS
}
