//! `/metrics/top-processes`: lists the processes that use the most CPU time.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs;

use rustix::event::{Timespec, poll};
use rustix::param::page_size;
use serde::Serialize;
use serde_json::{Value, json};

use crate::perform::{Context, Perform};
use opterius_base::deadline::Deadline;
use opterius_base::text::one_line;
use opterius_host::measure::system_stats::{CpuTime, Memory};
use opterius_host::measure::units::percent;
use opterius_host::problem::Problem;
use opterius_host::request::metrics_top_processes::TopProcesses;
use opterius_host::users::register::Register;

/// The number of processes in the list.
const MAX_PROCESSES: usize = 15;

/// Time between the two samples that are compared.
const INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 300_000_000 };

/// Longest command, in characters.
const MAX_COMMAND: usize = 200;

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

/// The usage of a process, in total or since the first sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ProcessUsage {
    pid: u32,
    name: String,
    /// CPU time, in the kernel's unit.
    time: u64,
    /// Its start time, which distinguishes processes that reuse a pid.
    started: u64,
    /// Memory, in pages.
    pages: u64,
}

/// The total usage of every process.
fn sample(deadline: Deadline) -> Result<Vec<ProcessUsage>, Problem> {
    if deadline.is_over() {
        return Err(Problem::TimedOut("The operation timed out before the processes were read.".to_owned()));
    }
    let entries = fs::read_dir("/proc").map_err(|error| Problem::failed("/proc", error))?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    // Skip processes that have ended meanwhile.
    Ok(pids.filter_map(|pid| parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)).collect())
}

/// Parses /proc/PID/stat. The process name in it can contain anything, including parentheses.
fn parse(text: &str) -> Option<ProcessUsage> {
    let (before, after) = text.rsplit_once(')')?;
    let (pid, name) = before.split_once('(')?;
    let fields: Vec<&str> = after.split_ascii_whitespace().collect();
    // Numbered as in proc_pid_stat(5), whose third field is the first one here.
    let number = |field: usize| fields.get(field.checked_sub(3)?)?.parse::<u64>().ok();
    Some(ProcessUsage {
        pid: pid.trim().parse().ok()?,
        name: name.to_owned(),
        time: number(14)?.saturating_add(number(15)?),
        started: number(22)?,
        // Signed in the kernel.
        pages: number(24).unwrap_or(0),
    })
}

/// The processes that used the most CPU time between two samples. Equal ones are sorted by memory.
fn busiest(before: &[ProcessUsage], now: Vec<ProcessUsage>) -> Vec<ProcessUsage> {
    let before: HashMap<(u32, u64), u64> = before.iter().map(|used| ((used.pid, used.started), used.time)).collect();
    let since = |used: ProcessUsage| {
        let earlier = before.get(&(used.pid, used.started)).copied().unwrap_or(0);
        ProcessUsage { time: used.time.saturating_sub(earlier), ..used }
    };
    let mut uses: Vec<ProcessUsage> = now.into_iter().map(since).collect();
    uses.sort_by_key(|used| (Reverse(used.time), Reverse(used.pages), used.pid));
    uses.truncate(MAX_PROCESSES);
    uses
}

/// The name of a process's user, or the uid if it has no name; none if the process is gone.
fn user(pid: u32, register: &Register) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    // The second is the effective uid.
    let uid: u32 = uids.split_ascii_whitespace().nth(1)?.parse().ok()?;
    let known = register.users.iter().find(|user| user.uid == uid);
    Some(known.map_or_else(|| uid.to_string(), |user| user.name.clone()))
}

/// The command line of a process, or its name in brackets if it is a kernel thread.
fn command(pid: u32, name: &str) -> String {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command = one_line(&String::from_utf8_lossy(&command), MAX_COMMAND);
    if command.is_empty() { one_line(&format!("[{name}]"), MAX_COMMAND) } else { command }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    fn used(pid: u32, time: u64, started: u64, pages: u64) -> ProcessUsage {
        ProcessUsage { pid, name: String::new(), time, started, pages }
    }

    #[test]
    fn a_process_with_any_name_is_parsed() {
        let rest = "S 1 42 42 0 -1 4194304 1 2 3 4 70 30 5 6 20 0 1 0 12345 1000000 250 18446744073709551615";
        let expected = |name: &str| ProcessUsage { name: name.to_owned(), ..used(42, 100, 12345, 250) };
        for name in ["cron", "a b", ") R 1 (", ""] {
            assert_eq!(parse(&format!("42 ({name}) {rest}\n")), Some(expected(name)), "{name}");
        }
        for text in ["", "42", "42 (cron", "x (cron) S 1", "42 (cron) S 1 2 3"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_busiest_come_first_and_a_reused_pid_is_another_process() {
        let before = [used(1, 1000, 5, 1), used(2, 500, 6, 1), used(3, 900, 7, 1)];
        let now = vec![used(1, 1001, 5, 1), used(2, 540, 6, 1), used(3, 30, 99, 1), used(4, 0, 100, 9)];
        let ranking: Vec<(u32, u64)> = busiest(&before, now).iter().map(|used| (used.pid, used.time)).collect();
        assert_eq!(ranking, [(2, 40), (3, 30), (1, 1), (4, 0)]);
        let many: Vec<ProcessUsage> = (0..1000).map(|pid| used(pid, 0, 0, u64::from(pid))).collect();
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
