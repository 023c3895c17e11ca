//! Resource usage of each process of the Agent, which must not grow from the first to the last quarter of its life.

use crate::daemon::Daemon;
use crate::support::pause;
use crate::world::World;
use std::fs;
use std::time::Duration;

/// Time between samples.
const INTERVAL: Duration = Duration::from_millis(250);

/// The number of first samples to skip, while the attackers' 500 connections reconnect.
const WARM_UP: usize = 12;

/// Lives with fewer remaining samples are not judged.
const MIN_SAMPLES: usize = 24;

/// Allowed growth since the first quarter, in KiB, descriptors and threads. The allocator keeps the memory that all
/// unfinished requests together can use; connections come and go; and each running tool has a thread.
const SLACK: [usize; 3] = [8 * 1024, 48, 2];

/// In a long life, the allocator has reached its maximum by the end of the third quarter, and this is the allowed growth
/// after that.
const LONG: usize = 480;
const SLACK_AT_THE_END: [usize; 3] = [1024, 48, 2];

/// The names of the counters with the maxima.
pub const NAMES: [&str; 3] = ["KiB resident", "descriptors", "threads"];

/// Samples the running process.
pub fn measure(world: &World, daemon: &Daemon<'_>) {
    let (mut life, mut samples) = (None, Vec::new());
    while !world.is_over() {
        let pid = daemon.pid();
        if pid != life {
            judge(world, &samples);
            (life, samples) = (pid, Vec::new());
        }
        samples.extend(pid.and_then(sample));
        pause(INTERVAL);
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
    let Some(samples) = samples.get(WARM_UP..).filter(|samples| samples.len() >= MIN_SAMPLES) else { return };
    for (which, name) in NAMES.into_iter().enumerate() {
        let numbers: Vec<usize> = samples.iter().map(|sample| sample[which]).collect();
        world.highest(name, numbers.iter().copied().max().unwrap_or_default());
        let quarter = |quarter: usize| median(&numbers[quarter * numbers.len() / 4..(quarter + 1) * numbers.len() / 4]);
        let (first, third, last) = (quarter(0), quarter(2), quarter(3));
        let grown = last > first + SLACK[which] || (numbers.len() >= LONG && last > third + SLACK_AT_THE_END[which]);
        if grown {
            world.violated(&format!(
                "{name} grew: {first} in the first quarter of a life, {third} in the third, {last} in the last"
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
