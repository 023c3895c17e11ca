//! `/metrics/top-processes`: lists the processes that use the most CPU time.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::Path;

use rustix::event::{Timespec, poll};
use rustix::param::page_size;
use serde::Serialize;
use serde_json::{Value, json};

use crate::perform::{Context, Perform};
use opterius_base::deadline::Deadline;
use opterius_base::files;
use opterius_base::text::one_line;
use opterius_host::lines;
use opterius_host::measure::system_stats::{CpuTime, Memory};
use opterius_host::measure::units::percent;
use opterius_host::problem::Problem;
use opterius_host::processes::{self, Stat, Status};
use opterius_host::request::metrics_top_processes::TopProcesses;
use opterius_host::users::register::Register;

/// The number of processes in the list.
const MAX_PROCESSES: usize = 15;

/// Time between the two samples that are compared.
const INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 300_000_000 };

/// Longest command, in characters.
const MAX_COMMAND: usize = 200;

/// Longest command line that is read, in bytes: the kernel's limit for all arguments.
const MAX_COMMAND_LINE: u64 = 4 * 1024 * 1024;

#[derive(Serialize)]
struct Process {
    pid: u32,
    user: String,
    /// Percent of one processor, as in top(1): up to 400 on four processors.
    cpu_percent: f64,
    mem_percent: f64,
    command: String,
}

impl Perform for TopProcesses {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let register = Register::read(host)?;
        let (before, cpu_before) = (sample(deadline)?, CpuTime::read());
        // Sleep.
        let _ = poll(&mut [], Some(&INTERVAL));
        let (now, cpu) = (sample(deadline)?, CpuTime::read().since(cpu_before));
        let memory = Memory::read().total;
        let processes: Vec<Process> = busiest(&before, now)
            .iter()
            .filter_map(|busy| {
                Some(Process {
                    pid: busy.pid,
                    user: user(busy.pid, &register)?,
                    cpu_percent: percent(busy.time.saturating_mul(cpu.processors), cpu.total),
                    mem_percent: percent(busy.pages.saturating_mul(page_kilobytes()), memory),
                    command: command(busy.pid, &busy.name),
                })
            })
            .collect();
        Ok(json!({"processes": processes}))
    }
}

fn page_kilobytes() -> u64 {
    u64::try_from(page_size() / 1024).unwrap_or(4)
}

/// The total usage of every process.
fn sample(deadline: Deadline) -> Result<Vec<Stat>, Problem> {
    if deadline.is_over() {
        return Err(Problem::TimedOut("The operation timed out before the processes were read.".to_owned()));
    }
    // Skip processes that have ended meanwhile.
    Ok(processes::all().into_iter().filter_map(Stat::read).collect())
}

/// The processes that used the most CPU time between two samples. Equal ones are sorted by memory.
fn busiest(before: &[Stat], now: Vec<Stat>) -> Vec<Stat> {
    let before: HashMap<(u32, u64), u64> = before.iter().map(|used| ((used.pid, used.started), used.time)).collect();
    let since = |used: Stat| {
        let earlier = before.get(&(used.pid, used.started)).copied().unwrap_or(0);
        Stat { time: used.time.saturating_sub(earlier), ..used }
    };
    let mut uses: Vec<Stat> = now.into_iter().map(since).collect();
    uses.sort_by_key(|used| (Reverse(used.time), Reverse(used.pages), used.pid));
    uses.truncate(MAX_PROCESSES);
    uses
}

/// The name of a process's user, or the uid if it has no name; none if the process is gone.
fn user(pid: u32, register: &Register) -> Option<String> {
    let [_, effective, ..] = Status::read(&pid.to_string())?.uids;
    let known = register.users.iter().find(|user| user.uid == effective);
    Some(known.map_or_else(|| effective.to_string(), |user| user.name.clone()))
}

/// The command line of a process, or its name in brackets if it is a kernel thread.
fn command(pid: u32, name: &[u8]) -> String {
    let command = files::read(Path::new(&format!("/proc/{pid}/cmdline")), MAX_COMMAND_LINE).unwrap_or_default();
    let command = one_line(&lines::lossy(&command), MAX_COMMAND);
    if command.is_empty() { one_line(&format!("[{}]", lines::lossy(name)), MAX_COMMAND) } else { command }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    fn used(pid: u32, time: u64, started: u64, pages: u64) -> Stat {
        Stat { pid, time, started, pages, ..Stat::default() }
    }

    #[test]
    fn the_busiest_come_first_and_a_reused_pid_is_another_process() {
        let before = [used(1, 1000, 5, 1), used(2, 500, 6, 1), used(3, 900, 7, 1)];
        let now = vec![used(1, 1001, 5, 1), used(2, 540, 6, 1), used(3, 30, 99, 1), used(4, 0, 100, 9)];
        let ranking: Vec<(u32, u64)> = busiest(&before, now).iter().map(|used| (used.pid, used.time)).collect();
        assert_eq!(ranking, [(2, 40), (3, 30), (1, 1), (4, 0)]);
        let many: Vec<Stat> = (0..1000).map(|pid| used(pid, 0, 0, u64::from(pid))).collect();
        let processes = busiest(&[], many);
        assert_eq!((processes.len(), processes[0].pid), (MAX_PROCESSES, 999));
    }

    #[test]
    fn a_busy_process_is_listed_with_its_user_and_command() {
        let tree = Tree::new();
        tree.write("/etc/passwd", "admin:x:0:0::/root:/bin/sh\n");
        let mut busy = std::process::Command::new("sh");
        let mut busy = busy.args(["-c", "while kill -0 $PPID; do :; done # a\nb"]).spawn().unwrap();
        let answer = tree.perform(&TopProcesses {});
        busy.kill().unwrap();
        busy.wait().unwrap();
        let answer = answer.unwrap();
        let processes = answer["processes"].as_array().unwrap();
        let found = processes.iter().find(|process| process["pid"] == busy.id()).unwrap();
        assert_eq!(found["command"], "sh -c while kill -0 $PPID; do :; done # a b");
        assert!(found["cpu_percent"].as_f64().unwrap() > 0.0 && found["mem_percent"].is_f64(), "{found}");
        assert!(found["user"] == "admin" || !rustix::process::geteuid().is_root(), "{found}");
        assert!(processes.len() <= MAX_PROCESSES);
    }
}
