//! A server's processes: started in a group of their own, measured through /proc, and ended when dropped.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::cpu::Cpu;
use crate::failure::{During, Failure};

/// How long a server may take to end by itself.
const END_LIMIT: Duration = Duration::from_secs(2);

/// The groups that run now, for [`kill_all`].
static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// A process with all that it started, as nginx does its workers.
pub(crate) struct ProcessGroup {
    leader: Child,
}

/// What all threads of a group have used since they began. A thread that ends takes its figures with it; none of these
/// servers ends a thread with a connection.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    /// Time on a CPU.
    pub(crate) cpu: Cpu,
    /// Context switches, voluntary and not.
    pub(crate) switches: u64,
}

impl Usage {
    pub(crate) fn since(self, earlier: Usage) -> Usage {
        Usage { cpu: self.cpu.since(earlier.cpu), switches: self.switches.saturating_sub(earlier.switches) }
    }
}

impl ProcessGroup {
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        let leader = command.stdin(Stdio::null()).process_group(0).spawn()?;
        let group = ProcessGroup { leader };
        groups().extend(group.id());
        Ok(group)
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.leader.try_wait(), Ok(None))
    }

    /// Resident memory of all processes together, in MiB: pages that they share count in each.
    pub(crate) fn resident_mib(&self) -> Result<f64, Failure> {
        let mut kib = 0;
        for pid in self.members()? {
            // The kernel counts here; `VmRSS` of /proc/PID/status is an estimate that lags behind.
            kib += field(&read(format!("/proc/{pid}/smaps_rollup"))?, "Rss:")?;
        }
        Ok(kib as f64 / 1024.0)
    }

    pub(crate) fn usage(&self) -> Result<Usage, Failure> {
        let mut usage = Usage { cpu: Cpu::default(), switches: 0 };
        for pid in self.members()? {
            usage.cpu += modes(&read(format!("/proc/{pid}/stat"))?)?;
            for task in entries(format!("/proc/{pid}/task"))? {
                usage.cpu.sum += cpu_time(&read(task.join("schedstat"))?)?;
                let status = read(task.join("status"))?;
                usage.switches += field(&status, "voluntary_ctxt_switches:")?;
                usage.switches += field(&status, "nonvoluntary_ctxt_switches:")?;
            }
        }
        Ok(usage)
    }

    /// Lets the leader end, so that it reaps its children; true when it did in time.
    fn ends_when_asked(&mut self, leader: Pid) -> bool {
        let begin = Instant::now();
        let _ = kill_process(leader, Signal::TERM);
        while !self.has_ended() && begin.elapsed() < END_LIMIT {
            thread::sleep(Duration::from_millis(1));
        }
        self.has_ended()
    }

    fn id(&self) -> Option<Pid> {
        i32::try_from(self.leader.id()).ok().and_then(Pid::from_raw)
    }

    fn members(&self) -> Result<Vec<u32>, Failure> {
        let mut members = Vec::new();
        for entry in entries("/proc")? {
            let pid = entry.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
            members.extend(pid.filter(|pid| group_of(*pid) == Some(self.leader.id())));
        }
        if members.is_empty() {
            return Err(Failure::new("a server has ended while it was measured"));
        }
        Ok(members)
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        let Some(group) = self.id() else { return };
        if !self.ends_when_asked(group) {
            let _ = kill_process_group(group, Signal::KILL);
            let _ = self.leader.wait();
        }
        groups().retain(|running| *running != group);
    }
}

/// Kills every group that still runs, when there is no time for each to be dropped.
pub(crate) fn kill_all() {
    for group in groups().drain(..) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

fn groups() -> std::sync::MutexGuard<'static, Vec<Pid>> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(path: impl AsRef<Path>) -> Result<String, Failure> {
    fs::read_to_string(&path).at("read", path)
}

fn entries(directory: impl AsRef<Path>) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(&directory).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    entries.at("list", directory)
}

/// The process group of a process; None when it has just ended.
fn group_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // State, parent, group.
    fields(&stat)?.nth(2)?.parse().ok()
}

/// Time in user and in system mode, in hundredths of a second.
fn modes(stat: &str) -> Result<Cpu, Failure> {
    let mut times = fields(stat).into_iter().flat_map(|fields| fields.skip(11)).map_while(|field| field.parse().ok());
    let (user, system) = times.next().zip(times.next()).ok_or_else(|| Failure::new("no times in /proc/PID/stat"))?;
    Ok(Cpu { sum: Duration::ZERO, user, system })
}

/// What stands behind the name in /proc/PID/stat; the name, in parentheses, may hold anything.
fn fields(stat: &str) -> Option<impl Iterator<Item = &str>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace())
}

/// The first number of a schedstat: nanoseconds on a CPU.
fn cpu_time(schedstat: &str) -> Result<Duration, Failure> {
    let first = schedstat.split_whitespace().next().unwrap_or_default();
    Ok(Duration::from_nanos(first.parse().during("read schedstat")?))
}

/// The number of the line that starts with `name`.
fn field(text: &str, name: &str) -> Result<u64, Failure> {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let number = value.and_then(|value| value.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| Failure::new(format!("no {name} in /proc")))
}
