//! The soak test: the real Agent under a Panel's load, under attack, and with many faults at the same time, for minutes or
//! hours. `tests/soak` starts it in an isolated environment.
//!
//! It runs in phases. Each has a seed, which can repeat the phase; a violation ends the run with a message.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the test measures real time and panics on unexpected errors"
)]
#![allow(missing_docs, unreachable_pub, reason = "this is not a library")]

mod chaos;
mod daemon;
mod footprint;
mod hostile;
mod license_server;
mod model;
mod panel;
mod random;
#[path = "../it/support/mod.rs"]
mod support;
mod world;

use crate::daemon::Daemon;
use crate::license_server::TestLicenseServer;
use crate::random::Random;
use crate::support::fake_license_server;
use crate::support::panel::tree;
use crate::support::{eventually, pause};
use crate::world::World;
use rustix::time::{ClockId, clock_gettime};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// The length of a phase. In every fourth phase, the Agent is not killed; it lasts a quarter of the total time, or this.
const PHASE: Duration = Duration::from_secs(60);
const LONG_PHASE: Duration = Duration::from_secs(240);

/// Time limit for running work to finish, on a loaded machine.
const FINISH_TIME: Duration = Duration::from_secs(150);

/// The counters of a phase.
type Counts = BTreeMap<&'static str, u64>;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let number = |name: &str| -> Option<u64> {
        let at = words.iter().position(|word| word == name)?;
        Some(words.get(at + 1).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{name} requires a number")))
    };
    let (Some(seconds), Ok(disk)) = (number("--seconds"), env::var("SOAK_DISK")) else {
        println!("The soak test takes minutes and needs an isolated environment. Run: tests/soak");
        return ExitCode::SUCCESS;
    };
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut totals = Counts::new();
    for seed in number("--seed").unwrap_or_else(|| clock_gettime(ClockId::Realtime).tv_sec.cast_unsigned()).. {
        let left = end.saturating_duration_since(Instant::now());
        if let Err(violation) = phase(seed, left, Path::new(&disk), &mut totals) {
            println!("VIOLATION in phase --seed {seed}: {violation}");
            report(&totals);
            return ExitCode::FAILURE;
        }
        if Instant::now() >= end || number("--seed").is_some() {
            break;
        }
    }
    report(&totals);
    ExitCode::SUCCESS
}

fn report(totals: &Counts) {
    for (what, number) in totals {
        println!("{number:>10}  {what}");
    }
}

/// Runs one phase of at most this length, plus the time to finish, and adds its counters to the totals.
fn phase(seed: u64, max_length: Duration, disk: &Path, totals: &mut Counts) -> Result<(), String> {
    let never_killed = seed % 4 == 3;
    let length = max_length.min(if never_killed { LONG_PHASE.max(max_length / 4) } else { PHASE });
    println!("phase --seed {seed}, {} s{}", length.as_secs(), if never_killed { ", without kills" } else { "" });
    let processes = running_processes();
    let port = fake_license_server::reserve();
    let world = Arc::new(World::new(port.local_addr().unwrap().port()));
    let (license_server, host) = (TestLicenseServer::new(&world, seed % 2 == 1), tree());
    let daemon = Daemon::new(&world, &license_server, host.path(), disk);
    daemon.start(true, 0);
    run_all(&world, &daemon, &license_server, host.path(), seed, length, never_killed);
    if world.violation().is_none() {
        daemon.stop();
        if !eventually(FINISH_TIME, || running_processes().is_subset(&processes)) {
            let left = running_processes();
            world.violated(&format!("the Agent left processes: {:?}", left.difference(&processes).collect::<Vec<_>>()));
        }
    }
    add(totals, &world.counts());
    world.violation().map_or(Ok(()), |what| Err(format!("{what}\n{:#?}", daemon.last_lines())))
}

/// Runs everything concurrently, until all work is finished.
fn run_all(
    world: &World,
    daemon: &Daemon<'_>,
    license_server: &TestLicenseServer<'_>,
    root: &Path,
    seed: u64,
    length: Duration,
    never_killed: bool,
) {
    let end = Instant::now() + length;
    let random = |which: u64| Random::new(seed.wrapping_mul(1000).wrapping_add(which));
    thread::scope(|scope| {
        for which in 0..4 {
            scope.spawn(move || hostile::attack(world, hostile::CONNECTIONS / 4, &mut random(which)));
        }
        scope.spawn(|| daemon.read_log());
        scope.spawn(|| footprint::measure(world, daemon));
        (0..2).for_each(|_| drop(scope.spawn(|| panel::watch(world, daemon))));
        scope.spawn(move || panel::read(world, &mut random(10)));
        let hosts = ["ann", "bob", "cid"].map(|name| scope.spawn(move || panel::host(world, name, root)));
        chaos::run(world, daemon, license_server, &mut random(11), never_killed, end);
        if !eventually(FINISH_TIME, || world.is_over() || hosts.iter().all(thread::ScopedJoinHandle::is_finished)) {
            world.violated("operations on accounts do not finish");
        }
        pause(Duration::from_millis(500));
        world.end();
    });
}

fn add(totals: &mut Counts, counts: &Counts) {
    for (what, number) in counts {
        let total = totals.entry(what).or_default();
        *total = if footprint::NAMES.contains(what) { (*total).max(*number) } else { *total + number };
    }
}

/// The processes in this namespace, except zombies.
fn running_processes() -> BTreeSet<String> {
    let stats = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let number =
            entry.file_name().into_string().ok().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (name, after) = stat.rsplit_once(')')?;
        (!after.starts_with(" Z")).then(|| format!("{number} {name})"))
    });
    stats.collect()
}
