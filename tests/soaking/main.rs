//! The soak: the real Agent under a Panel's load, attacked, and with everything else going wrong at the same time, for
//! minutes or hours. `tests/soak` starts it where it can do no harm.
//!
//! It goes in phases. Each has a seed, which gives the phase again; whatever must not be ends it with a message.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it measures real time, and what cannot go on must say so at once"
)]
#![allow(missing_docs, unreachable_pub, reason = "nothing here is anyone's interface")]

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

/// How long a phase is; and one in which the Agent is not killed, which every fourth is: a quarter of all, or this.
const PHASE: Duration = Duration::from_secs(60);
const LIFE: Duration = Duration::from_secs(240);

/// What it takes to bring everything to its end, on a loaded machine.
const TO_END: Duration = Duration::from_secs(150);

/// What one phase has counted.
type Counts = BTreeMap<&'static str, u64>;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let number = |name: &str| -> Option<u64> {
        let at = words.iter().position(|word| word == name)?;
        Some(words.get(at + 1).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{name} wants a number")))
    };
    let (Some(seconds), Ok(disk)) = (number("--seconds"), env::var("SOAK_DISK")) else {
        println!("The soak takes minutes and a machine of its own: tests/soak");
        return ExitCode::SUCCESS;
    };
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut totals = Counts::new();
    for seed in number("--seed").unwrap_or_else(|| clock_gettime(ClockId::Realtime).tv_sec.cast_unsigned()).. {
        let left = end.saturating_duration_since(Instant::now());
        if let Err(violation) = phase(seed, left, Path::new(&disk), &mut totals) {
            println!("VIOLATION in the phase with --seed {seed}: {violation}");
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

/// One phase, of at most this length before it calms down; what it has counted is added to the totals.
fn phase(seed: u64, longest: Duration, disk: &Path, totals: &mut Counts) -> Result<(), String> {
    let lives = seed % 4 == 3;
    let length = longest.min(if lives { LIFE.max(longest / 4) } else { PHASE });
    println!("phase --seed {seed}, {} s{}", length.as_secs(), if lives { ", one life" } else { "" });
    let processes = others();
    let port = fake_license_server::reserve();
    let world = Arc::new(World::new(port.local_addr().unwrap().port()));
    let (license_server, host) = (TestLicenseServer::new(&world), tree());
    let daemon = Daemon::new(&world, &license_server.server, host.path(), disk);
    daemon.start(true, 0);
    rage(&world, &daemon, &license_server, host.path(), seed, length, lives);
    if world.violation().is_none() {
        daemon.stop();
        if !eventually(TO_END, || others().is_subset(&processes)) {
            world.violated(&format!("left of the Agent: {:?}", others().difference(&processes).collect::<Vec<_>>()));
        }
    }
    add(totals, &world.counts());
    world.violation().map_or(Ok(()), |what| Err(format!("{what}\n{:#?}", daemon.last_lines())))
}

/// Everything at once, until everybody has come to an end.
fn rage(
    world: &World,
    daemon: &Daemon<'_>,
    license_server: &TestLicenseServer<'_>,
    root: &Path,
    seed: u64,
    length: Duration,
    lives: bool,
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
        chaos::reign(world, daemon, license_server, &mut random(11), lives, end);
        if !eventually(TO_END, || world.is_over() || hosts.iter().all(thread::ScopedJoinHandle::is_finished)) {
            world.violated("work on the accounts does not come to its end");
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

/// The processes here, but for those that have ended and wait for their parent.
fn others() -> BTreeSet<String> {
    let stats = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let number =
            entry.file_name().into_string().ok().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (name, after) = stat.rsplit_once(')')?;
        (!after.starts_with(" Z")).then(|| format!("{number} {name})"))
    });
    stats.collect()
}
