//! How the machine is: processors, memory, disk, load and network, as the kernel tells in /proc. What the kernel does not
//! tell is zero: whoever looks at the numbers draws them, and has no use for a refusal.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::fs::statvfs;
use serde::Serialize;

use crate::measure::units::{gigabytes, percent, rounded};

/// Time that the processors have spent, in the kernel's own unit, and how many they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// Time with something to do.
    pub busy: u64,
    /// All time.
    pub total: u64,
    /// How many processors there are.
    pub processors: u64,
}

impl CpuTime {
    /// Reads it.
    pub fn read() -> Self {
        Self::parse(&read("/proc/stat"))
    }

    /// Reads the text of /proc/stat.
    fn parse(text: &str) -> Self {
        let fields = text.lines().find_map(|line| line.strip_prefix("cpu "));
        let numbers =
            fields.into_iter().flat_map(|line| line.split_ascii_whitespace().map_while(|word| word.parse().ok()));
        // user nice system idle iowait irq softirq steal; guests are in user already.
        let numbers: Vec<u64> = numbers.take(8).collect();
        let total = numbers.iter().fold(0_u64, |sum, number| sum.saturating_add(*number));
        let idle = numbers.iter().skip(3).take(2).fold(0_u64, |sum, number| sum.saturating_add(*number));
        let is_processor = |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| !rest.starts_with(' '));
        let processors = u64::try_from(text.lines().filter(is_processor).count()).unwrap_or(u64::MAX);
        Self { busy: total.saturating_sub(idle), total, processors }
    }

    /// What was spent since an earlier reading. The kernel's count of idle time may go back a little.
    pub fn since(self, earlier: Self) -> Self {
        let busy = self.busy.saturating_sub(earlier.busy);
        let total = self.total.saturating_sub(earlier.total);
        Self { busy: busy.min(total), total, processors: self.processors }
    }
}

/// Memory, in KB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// What is there.
    pub total: u64,
    /// What could be had without swapping.
    pub available: u64,
}

impl Memory {
    /// Reads it.
    pub fn read() -> Self {
        Self::parse(&read("/proc/meminfo"))
    }

    /// Reads the text of /proc/meminfo.
    fn parse(text: &str) -> Self {
        let member = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        Self { total: member("MemTotal"), available: member("MemAvailable") }
    }
}

/// Bytes that have passed all interfaces but the loopback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Network {
    received: u64,
    sent: u64,
}

impl Network {
    /// Reads the text of /proc/net/dev.
    fn parse(text: &str) -> Self {
        let interfaces = text.lines().filter_map(|line| line.split_once(':')).filter(|(name, _)| name.trim() != "lo");
        interfaces.fold(Self::default(), |sum, (_, line)| {
            let number =
                |index| line.split_ascii_whitespace().nth(index).and_then(|word| word.parse().ok()).unwrap_or(0);
            Self { received: sum.received.saturating_add(number(0)), sent: sum.sent.saturating_add(number(8)) }
        })
    }
}

/// The three averages of the load.
fn loads(text: &str) -> [f64; 3] {
    let mut numbers = text.split_ascii_whitespace().map(|word| word.parse().ok().filter(|load: &f64| load.is_finite()));
    [(); 3].map(|()| numbers.next().flatten().map_or(0.0, |load| rounded(load.max(0.0))))
}

/// What only counts up: two of these make a [`Snapshot`].
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    at: Duration,
    cpu: CpuTime,
    network: Network,
}

impl Reading {
    /// Reads it, `now` after boot.
    pub fn take(now: Duration) -> Self {
        Self { at: now, cpu: CpuTime::read(), network: Network::parse(&read("/proc/net/dev")) }
    }
}

/// How the machine is at one moment, in the members that the Panel reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Snapshot {
    cpu_percent: f64,
    mem_percent: f64,
    mem_used_mb: u64,
    mem_total_mb: u64,
    disk_percent: f64,
    disk_used_gb: f64,
    disk_total_gb: f64,
    load_avg_1: f64,
    load_avg_5: f64,
    load_avg_15: f64,
    network_in_kb: f64,
    network_out_kb: f64,
}

impl Snapshot {
    /// How the machine has been between two readings, with the disk that `root` is on. Network traffic is in KB a second.
    pub fn between(earlier: &Reading, later: &Reading, root: &Path) -> Self {
        let cpu = later.cpu.since(earlier.cpu);
        let memory = Memory::read();
        let used = memory.total.saturating_sub(memory.available);
        let disk = Disk::of(root);
        let [load_avg_1, load_avg_5, load_avg_15] = loads(&read("/proc/loadavg"));
        let time = later.at.saturating_sub(earlier.at);
        Self {
            cpu_percent: percent(cpu.busy, cpu.total),
            mem_percent: percent(used, memory.total),
            mem_used_mb: used / 1024,
            mem_total_mb: memory.total / 1024,
            disk_percent: percent(disk.used, disk.used.saturating_add(disk.available)),
            disk_used_gb: gigabytes(disk.used),
            disk_total_gb: gigabytes(disk.total),
            load_avg_1,
            load_avg_5,
            load_avg_15,
            network_in_kb: rate(later.network.received, earlier.network.received, time),
            network_out_kb: rate(later.network.sent, earlier.network.sent, time),
        }
    }
}

/// KB a second. A counter that went back belongs to an interface that is gone.
fn rate(later: u64, earlier: u64, time: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds == 0.0 { 0.0 } else { rounded(later.saturating_sub(earlier) as f64 / 1024.0 / seconds) }
}

/// A file system, in bytes.
#[derive(Default)]
struct Disk {
    total: u64,
    used: u64,
    /// What others than root could have; the rest is kept for root.
    available: u64,
}

impl Disk {
    fn of(path: &Path) -> Self {
        let Ok(status) = statvfs(path) else { return Self::default() };
        let bytes = |blocks: u64| blocks.saturating_mul(status.f_frsize);
        Self {
            total: bytes(status.f_blocks),
            used: bytes(status.f_blocks.saturating_sub(status.f_bfree)),
            available: bytes(status.f_bavail),
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_busy_when_they_neither_idle_nor_wait_for_a_disk() {
        let text = "cpu  10 20 30 400 50 6 7 8 900 900\ncpu0 1 2\ncpu1 1 2\nintr 5\n";
        let time = CpuTime::parse(text);
        assert_eq!(time, CpuTime { busy: 81, total: 531, processors: 2 });
        let later = CpuTime { busy: 91, total: 571, processors: 2 };
        assert_eq!(later.since(time), CpuTime { busy: 10, total: 40, processors: 2 });
        // iowait went back: more was busy than there was time.
        let odd = CpuTime { busy: 100, total: 541, processors: 2 };
        assert_eq!(odd.since(time), CpuTime { busy: 10, total: 10, processors: 2 });
        for text in ["", "cpu  a b\n", "cpu\n"] {
            assert_eq!(CpuTime::parse(text).total, 0, "{text}");
        }
    }

    #[test]
    fn memory_is_what_the_kernel_would_give() {
        let text = "MemTotal:        2048 kB\nMemFree:  10 kB\nMemAvailable:  512 kB\n";
        assert_eq!(Memory::parse(text), Memory { total: 2048, available: 512 });
        assert_eq!(Memory::parse("MemTotal\nMemTotal: x kB"), Memory::default());
    }

    #[test]
    fn the_loopback_is_no_network() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets\n    lo: 999 1 0 0 0 0 0 0 999 1\n  \
                    eth0:100 1 0 0 0 0 0 0 200 1\n wg0: 10 1 0 0 0 0 0 0 20 1\n broken: x\n";
        assert_eq!(Network::parse(text), Network { received: 110, sent: 220 });
    }

    #[test]
    fn traffic_is_counted_by_the_second() {
        let second = Duration::from_secs(1);
        let table = [
            (10_240, 0, second, 10.0),
            (10_240, 0, second / 5, 50.0),
            (2048, 1024, second * 2, 0.5),
            (0, 10_240, second, 0.0),
            (10_240, 0, Duration::ZERO, 0.0),
        ];
        for (later, earlier, time, expected) in table {
            assert_eq!(rate(later, earlier, time), expected, "{later} {earlier} {time:?}");
        }
    }

    #[test]
    fn the_load_is_three_numbers_whatever_is_read() {
        assert_eq!(loads("0.52 1.257 15.0 1/234 5678\n"), [0.52, 1.26, 15.0]);
        assert_eq!(loads("inf -1"), [0.0; 3]);
    }

    #[test]
    fn this_machine_has_processors_memory_and_a_disk() {
        let second = Duration::from_secs(1);
        let snapshot = Snapshot::between(&Reading::take(second), &Reading::take(second * 2), Path::new("/"));
        assert!(snapshot.mem_total_mb > snapshot.mem_used_mb && snapshot.mem_used_mb > 0, "{snapshot:?}");
        assert!(snapshot.disk_total_gb >= snapshot.disk_used_gb && snapshot.disk_used_gb > 0.0, "{snapshot:?}");
        assert!(CpuTime::read().processors > 0);
    }
}
