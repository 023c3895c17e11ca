//! Compares this version with another one, whose benchmark was run in its own worktree before: it has the program and the
//! databases there. Both serve a database of their own with the same contents and take turns every second.
//!
//! The measure is the CPU time of the server for a verification, because it depends least on what else the machine does.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::SIZES;
use crate::failure::Failure;
use crate::figures::{Case, median};
use crate::load::{FIRST_REFUSALS, Kind, REFUSED};
use crate::options::Options;
use crate::server::{self, Server};
use crate::template::Template;

/// A verification must not use more CPU time than this, relative to the other version.
const MAX_RATIO: f64 = 1.05;

const CONNECTIONS: usize = 64;

/// The kinds of requests, in this order: a repeated refusal needs a first one.
const KINDS: [(Kind, &str); 4] = [
    (Kind::Refresh, "refresh"),
    (Kind::Activation, "new activation"),
    (Kind::FirstRefusal, "first refusal"),
    (Kind::Refusal, "repeated refusal"),
];

/// The comparison of all cases.
pub(crate) struct Comparison {
    options: String,
    rows: Vec<Row>,
}

/// A case: for each turn, the results of this version and of the other.
struct Row {
    licenses: u32,
    name: &'static str,
    turns: Vec<[Case; 2]>,
    /// The CPU time of both after the last turn, until they were idle.
    later: [Duration; 2],
}

/// Measures both versions, with each size.
pub(crate) fn measure(options: &Options, worktree: &Path) -> Result<Comparison, Failure> {
    let mut rows = Vec::new();
    for licenses in SIZES {
        let ours = Template::ready(&options.root(), licenses, options.fresh)?;
        let theirs = Template::of_peer(&worktree.join("target/bench-license-server"), licenses)?;
        let their_binary = worktree.join("target/release/opterius-license-server");
        let mut servers =
            [Server::start(server::BINARY.as_ref(), ours.copy()?)?, Server::start(&their_binary, theirs.copy()?)?];
        for (kind, name) in KINDS {
            rows.push(take_turns(options, kind, name, licenses, &mut servers)?);
            eprintln!("license-server: {name} with {licenses} licenses done");
        }
        drop(servers);
        ours.clean()?;
        theirs.clean()?;
    }
    Ok(Comparison { options: options.to_string(), rows })
}

fn take_turns(
    options: &Options,
    kind: Kind,
    name: &'static str,
    licenses: u32,
    servers: &mut [Server; 2],
) -> Result<Row, Failure> {
    let mut turns = Vec::new();
    let number = match kind {
        Kind::FirstRefusal => REFUSED / FIRST_REFUSALS,
        _ => options.rounds * options.seconds,
    };
    for turn in 0..number {
        let mut pair = [Case::default(), Case::default()];
        // Neither is always the first.
        for place in 0..2 {
            let version = (turn as usize + place) % 2;
            servers[version].measure(kind, CONNECTIONS, &mut pair[version])?;
        }
        pair.iter_mut().for_each(Case::sort);
        turns.push(pair);
    }
    let later = match kind {
        Kind::FirstRefusal => [servers[0].cpu_until_idle()?, servers[1].cpu_until_idle()?],
        _ => [Duration::ZERO; 2],
    };
    Ok(Row { licenses, name, turns, later })
}

impl Row {
    /// The CPU time of a verification in microseconds.
    fn cpu(&self, version: usize) -> f64 {
        median(&self.turns.iter().map(|pair| pair[version].cpu_per_thousand() * 1000.0).collect::<Vec<_>>())
    }

    /// The same, relative to the other version: the median of the ratios of each turn.
    fn ratio(&self) -> f64 {
        let ratio = |pair: &[Case; 2]| pair[0].cpu_per_thousand() / pair[1].cpu_per_thousand();
        median(&self.turns.iter().map(ratio).collect::<Vec<_>>())
    }

    /// What is done after the answers, for each of them, in microseconds.
    fn later(&self, version: usize) -> f64 {
        let answered: u32 = self.turns.iter().map(|pair| pair[version].answered).sum();
        self.later[version].as_secs_f64() * 1e6 / f64::from(answered)
    }

    fn percentile(&self, version: usize, percent: usize) -> f64 {
        median(&self.turns.iter().map(|pair| pair[version].percentile(percent)).collect::<Vec<_>>())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}; {CONNECTIONS} connections; medians of turns; µs of CPU time for a verification\n",
            self.options
        )?;
        let [cpu, other, ratio, later] = ["CPU µs", "other µs", "ratio", "later µs"];
        writeln!(
            f,
            "{:<18}{:>10}{cpu:>10}{other:>10}{ratio:>8}{later:>10}{:>10}{:>10}",
            "verification", "licenses", "p99 ms", "other ms"
        )?;
        for row in &self.rows {
            write!(
                f,
                "{:<18}{:>10}{:>10.1}{:>10.1}{:>8.3}{:>10.1}",
                row.name,
                row.licenses,
                row.cpu(0),
                row.cpu(1),
                row.ratio(),
                row.later(0) - row.later(1)
            )?;
            writeln!(f, "{:>10.2}{:>10.2}", row.percentile(0, 99), row.percentile(1, 99))?;
        }
        writeln!(f, "\nlater: what this version does after the answers, for each of them, more than the other\n")?;
        let highest = self.rows.iter().map(Row::ratio).fold(0.0, f64::max);
        let verdict = if highest <= MAX_RATIO { "reached" } else { "MISSED" };
        writeln!(f, "highest ratio of CPU time ≤ {MAX_RATIO}: {highest:.3}  {verdict}")
    }
}
