//! Usage of processors, memory, disk, load and network, from /proc. A value that cannot be read is zero: the Panel draws
//! charts from these numbers and cannot use an error.

use std::path::Path;
use std::time::Duration;

use rustix::fs::statvfs;
use serde::Serialize;

use crate::lines;
use crate::measure::units::{gigabytes, percent, rounded};

/// CPU time in the kernel's unit (USER_HZ), summed over all processors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// Time spent working.
    pub busy: u64,
    /// Total time.
    pub total: u64,
    /// The number of processors.
    pub processors: u64,
}

impl CpuTime {
    /// Reads /proc/stat.
    pub fn read() -> Self {
        Self::parse(&read("/proc/stat"))
    }

    /// Parses /proc/stat.
    fn parse(text: &str) -> Self {
        let fields = text.lines().find_map(|line| line.strip_prefix("cpu "));
        let numbers =
            fields.into_iter().flat_map(|line| line.split_ascii_whitespace().map_while(|word| word.parse().ok()));
        // user nice system idle iowait irq softirq steal; guest time is already included in user.
        let numbers: Vec<u64> = numbers.take(8).collect();
        let total = numbers.iter().fold(0_u64, |sum, number| sum.saturating_add(*number));
        let idle = numbers.iter().skip(3).take(2).fold(0_u64, |sum, number| sum.saturating_add(*number));
        let is_processor = |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| !rest.starts_with(' '));
        let processors = u64::try_from(text.lines().filter(is_processor).count()).unwrap_or(u64::MAX);
        Self { busy: total.saturating_sub(idle), total, processors }
    }

    /// The time spent since an earlier reading. The kernel's idle time can decrease slightly.
    pub fn since(self, earlier: Self) -> Self {
        let busy = self.busy.saturating_sub(earlier.busy);
        let total = self.total.saturating_sub(earlier.total);
        Self { busy: busy.min(total), total, processors: self.processors }
    }
}

/// Memory, in KB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Installed memory.
    pub total: u64,
    /// Memory available without swapping.
    pub available: u64,
}

impl Memory {
    /// Reads /proc/meminfo.
    pub fn read() -> Self {
        Self::parse(&read("/proc/meminfo"))
    }

    /// Parses /proc/meminfo.
    fn parse(text: &str) -> Self {
        let member = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        Self { total: member("MemTotal"), available: member("MemAvailable") }
    }
}

/// Bytes transferred over all interfaces except loopback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Network {
    received: u64,
    sent: u64,
}

impl Network {
    /// Parses /proc/net/dev.
    fn parse(text: &str) -> Self {
        let interfaces = text.lines().filter_map(|line| line.split_once(':')).filter(|(name, _)| name.trim() != "lo");
        interfaces.fold(Self::default(), |sum, (_, line)| {
            let number =
                |index| line.split_ascii_whitespace().nth(index).and_then(|word| word.parse().ok()).unwrap_or(0);
            Self { received: sum.received.saturating_add(number(0)), sent: sum.sent.saturating_add(number(8)) }
        })
    }
}

/// Parses the three load averages of /proc/loadavg.
fn loads(text: &str) -> [f64; 3] {
    let mut numbers = text.split_ascii_whitespace().map(|word| word.parse().ok().filter(|load: &f64| load.is_finite()));
    [(); 3].map(|()| numbers.next().flatten().map_or(0.0, |load| rounded(load.max(0.0))))
}

/// The counters at one moment. Two readings make a [`Snapshot`].
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    at: Duration,
    cpu: CpuTime,
    network: Network,
}

impl Reading {
    /// Reads the counters; `now` is the time since boot.
    pub fn take(now: Duration) -> Self {
        Self { at: now, cpu: CpuTime::read(), network: Network::parse(&read("/proc/net/dev")) }
    }
}

/// System statistics, in the JSON members that the Panel reads.
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
    /// Statistics for the time between two readings, with the disk of `root`. Network traffic is in KB per second.
    pub fn between(earlier: &Reading, later: &Reading, root: &Path) -> Self {
        let cpu = later.cpu.since(earlier.cpu);
        let memory = Memory::read();
        let used = memory.total.saturating_sub(memory.available);
        let disk = Disk::new(root);
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

/// KB per second. A decreasing counter belongs to an interface that was removed.
fn rate(later: u64, earlier: u64, time: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds == 0.0 { 0.0 } else { rounded(later.saturating_sub(earlier) as f64 / 1024.0 / seconds) }
}

/// Usage of a file system, in bytes.
#[derive(Default)]
struct Disk {
    total: u64,
    used: u64,
    /// Space available to unprivileged users; the rest is reserved for root.
    available: u64,
}

impl Disk {
    fn new(path: &Path) -> Self {
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
    lines::text(Path::new(path), lines::MAX_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_iowait_do_not_count_as_busy() {
        let text = "cpu  10 20 30 400 50 6 7 8 900 900\ncpu0 1 2\ncpu1 1 2\nintr 5\n";
        let time = CpuTime::parse(text);
        assert_eq!(time, CpuTime { busy: 81, total: 531, processors: 2 });
        let later = CpuTime { busy: 91, total: 571, processors: 2 };
        assert_eq!(later.since(time), CpuTime { busy: 10, total: 40, processors: 2 });
        // iowait decreased: the busy time exceeds the total.
        let odd = CpuTime { busy: 100, total: 541, processors: 2 };
        assert_eq!(odd.since(time), CpuTime { busy: 10, total: 10, processors: 2 });
        for text in ["", "cpu  a b\n", "cpu\n"] {
            assert_eq!(CpuTime::parse(text).total, 0, "{text}");
        }
    }

    #[test]
    fn available_memory_is_the_kernels_estimate() {
        let text = "MemTotal:        2048 kB\nMemFree:  10 kB\nMemAvailable:  512 kB\n";
        assert_eq!(Memory::parse(text), Memory { total: 2048, available: 512 });
        assert_eq!(Memory::parse("MemTotal\nMemTotal: x kB"), Memory::default());
    }

    #[test]
    fn loopback_traffic_does_not_count() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets\n    lo: 999 1 0 0 0 0 0 0 999 1\n  \
                    eth0:100 1 0 0 0 0 0 0 200 1\n wg0: 10 1 0 0 0 0 0 0 20 1\n broken: x\n";
        assert_eq!(Network::parse(text), Network { received: 110, sent: 220 });
    }

    #[test]
    fn traffic_is_per_second() {
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
    fn the_load_is_always_three_numbers() {
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
