//! A server's processes: started in their own process group, measured through /proc, and stopped when dropped.

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

/// Time limit for a server to exit after SIGTERM.
const END_LIMIT: Duration = Duration::from_secs(2);

/// The running groups, for [`kill_all`].
static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// A process and its children, such as nginx's workers.
pub(crate) struct ProcessGroup {
    leader: Child,
}

/// The usage of all threads of a group since they started. The usage of ended threads is lost, but none of these
/// servers ends a thread with a connection.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    /// CPU time.
    pub(crate) cpu: Cpu,
    /// Voluntary and involuntary context switches.
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

    /// Resident memory of all processes together, in MiB. Shared pages are counted for each process.
    pub(crate) fn resident_mib(&self) -> Result<f64, Failure> {
        let mut kib = 0;
        for pid in self.members()? {
            // This is exact; `VmRSS` in /proc/PID/status is an estimate that lags behind.
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

    /// Stops the leader with SIGTERM, so that it reaps its children; true if it exited in time.
    fn terminate(&mut self, leader: Pid) -> bool {
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
            return Err(Failure::new("a server exited during the measurement"));
        }
        Ok(members)
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        let Some(group) = self.id() else { return };
        if !self.terminate(group) {
            let _ = kill_process_group(group, Signal::KILL);
            let _ = self.leader.wait();
        }
        groups().retain(|running| *running != group);
    }
}

/// Kills all running groups, when there is no time to drop them.
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

/// The process group of a process; None if it has just exited.
fn group_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Fields: state, parent, group.
    fields(&stat)?.nth(2)?.parse().ok()
}

/// Time in user and in system mode, in hundredths of a second.
fn modes(stat: &str) -> Result<Cpu, Failure> {
    let mut times = fields(stat).into_iter().flat_map(|fields| fields.skip(11)).map_while(|field| field.parse().ok());
    let (user, system) = times.next().zip(times.next()).ok_or_else(|| Failure::new("no times in /proc/PID/stat"))?;
    Ok(Cpu { sum: Duration::ZERO, user, system })
}

/// The fields after the process name in /proc/PID/stat. The name, in parentheses, can contain anything.
fn fields(stat: &str) -> Option<impl Iterator<Item = &str>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace())
}

/// The first number of a schedstat file: CPU time in nanoseconds.
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
