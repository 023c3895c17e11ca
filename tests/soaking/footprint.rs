//! What each process of the Agent takes of the machine: the same in the last quarter of its life as in the first.

use crate::daemon::Daemon;
use crate::support::pause;
use crate::world::World;
use std::fs;
use std::time::Duration;

/// How often it is looked at.
const PACE: Duration = Duration::from_millis(250);

/// What comes first is left out: the 500 connections of the attackers come back.
const BEGINNING: usize = 12;

/// A life with fewer samples after that says nothing.
const ENOUGH: usize = 24;

/// How much more than in the first quarter is no leak: KiB, descriptors, threads. What all unfinished requests may hold
/// together is once taken of the system and kept; connections come and go; and a thread is there while a tool runs.
const SLACK: [usize; 3] = [8 * 1024, 48, 2];

/// In a life of minutes all that has been taken by the end of the third quarter: the last one has no more than this
/// above it.
const LONG: usize = 480;
const SLACK_AT_THE_END: [usize; 3] = [1024, 48, 2];

/// What the numbers are called where the highest of each is reported.
pub const NAMES: [&str; 3] = ["KiB resident", "descriptors", "threads"];

/// Looks at one process after the other.
pub fn measure(world: &World, daemon: &Daemon<'_>) {
    let (mut life, mut samples) = (None, Vec::new());
    while !world.is_over() {
        let pid = daemon.pid();
        if pid != life {
            judge(world, &samples);
            (life, samples) = (pid, Vec::new());
        }
        samples.extend(pid.and_then(sample));
        pause(PACE);
    }
    judge(world, &samples);
}

fn sample(pid: u32) -> Option<[usize; 3]> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let number = |name: &str| -> Option<usize> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_end_matches("kB").trim().parse().ok()
    };
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
    Some([number("VmRSS:")?, descriptors, number("Threads:")?])
}

fn judge(world: &World, samples: &[[usize; 3]]) {
    let Some(samples) = samples.get(BEGINNING..).filter(|samples| samples.len() >= ENOUGH) else { return };
    for (which, name) in NAMES.into_iter().enumerate() {
        let numbers: Vec<usize> = samples.iter().map(|sample| sample[which]).collect();
        world.highest(name, numbers.iter().copied().max().unwrap_or_default());
        let quarter = |quarter: usize| median(&numbers[quarter * numbers.len() / 4..(quarter + 1) * numbers.len() / 4]);
        let (first, third, last) = (quarter(0), quarter(2), quarter(3));
        let grown = last > first + SLACK[which] || (numbers.len() >= LONG && last > third + SLACK_AT_THE_END[which]);
        if grown {
            world.violated(&format!(
                "{name}: {first} in the first quarter of a life, {third} in the third, {last} in the last"
            ));
        }
    }
    world.count("lives measured");
}

fn median(numbers: &[usize]) -> usize {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}
