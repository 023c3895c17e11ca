//! `/metrics/top-processes`: the processes that use the processors most.

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

/// How many are shown.
const SHOWN: usize = 15;

/// Between the two looks that tell who is busy.
const INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 300_000_000 };

/// Characters of a command.
const COMMAND: usize = 200;

#[derive(Serialize)]
struct Process {
    pid: u32,
    user: String,
    /// Of one processor, as top(1) counts: on four of them it goes up to 400.
    cpu_percent: f64,
    mem_percent: f64,
    command: String,
}

impl Perform for TopProcesses {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let register = Register::read(host)?;
        let (before, cpu_before) = (look(deadline)?, CpuTime::read());
        // Nothing is waited for but the time.
        let _ = poll(&mut [], Some(&INTERVAL));
        let (now, cpu) = (look(deadline)?, CpuTime::read().since(cpu_before));
        let memory = Memory::read().total;
        let shown: Vec<Process> = busiest(&before, now)
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
        Ok(json!({"processes": shown}))
    }
}

fn page_kilobytes() -> u64 {
    u64::try_from(page_size() / 1024).unwrap_or(4)
}

/// What a process has used, or has used since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Use {
    pid: u32,
    name: String,
    /// Processor time, in the kernel's own unit.
    time: u64,
    /// When it began: a number may be that of another process by now.
    began: u64,
    /// Memory, in pages.
    pages: u64,
}

/// What all processes have used until now.
fn look(deadline: Deadline) -> Result<Vec<Use>, Problem> {
    if deadline.is_over() {
        return Err(Problem::TimedOut("There was no time to look at the processes.".to_owned()));
    }
    let entries = fs::read_dir("/proc").map_err(|error| Problem::failed("/proc", error))?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    // One that has ended meanwhile is none.
    Ok(pids.filter_map(|pid| parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)).collect())
}

/// Reads the text of /proc/pid/stat. The name in it may contain anything, also parentheses.
fn parse(text: &str) -> Option<Use> {
    let (before, after) = text.rsplit_once(')')?;
    let (pid, name) = before.split_once('(')?;
    let fields: Vec<&str> = after.split_ascii_whitespace().collect();
    // By proc_pid_stat(5), whose third field is the first one here.
    let number = |field: usize| fields.get(field.checked_sub(3)?)?.parse::<u64>().ok();
    Some(Use {
        pid: pid.trim().parse().ok()?,
        name: name.to_owned(),
        time: number(14)?.saturating_add(number(15)?),
        began: number(22)?,
        // Signed in the kernel.
        pages: number(24).unwrap_or(0),
    })
}

/// Those that have used most between two looks, the largest first where nobody was busy.
fn busiest(before: &[Use], now: Vec<Use>) -> Vec<Use> {
    let before: HashMap<(u32, u64), u64> = before.iter().map(|used| ((used.pid, used.began), used.time)).collect();
    let since = |used: Use| {
        let earlier = before.get(&(used.pid, used.began)).copied().unwrap_or(0);
        Use { time: used.time.saturating_sub(earlier), ..used }
    };
    let mut uses: Vec<Use> = now.into_iter().map(since).collect();
    uses.sort_by_key(|used| (Reverse(used.time), Reverse(used.pages), used.pid));
    uses.truncate(SHOWN);
    uses
}

/// The name of a process's user, or the number where there is no name; none when the process is gone.
fn user(pid: u32, register: &Register) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    // The second is the one that counts (the effective one).
    let uid: u32 = uids.split_ascii_whitespace().nth(1)?.parse().ok()?;
    let known = register.users.iter().find(|user| user.uid == uid);
    Some(known.map_or_else(|| uid.to_string(), |user| user.name.clone()))
}

/// How a process was called; a thread of the kernel by its name in brackets.
fn command(pid: u32, name: &str) -> String {
    let called = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let called = one_line(&String::from_utf8_lossy(&called), COMMAND);
    if called.is_empty() { one_line(&format!("[{name}]"), COMMAND) } else { called }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    fn used(pid: u32, time: u64, began: u64, pages: u64) -> Use {
        Use { pid, name: String::new(), time, began, pages }
    }

    #[test]
    fn a_process_is_read_whatever_its_name_is() {
        let rest = "S 1 42 42 0 -1 4194304 1 2 3 4 70 30 5 6 20 0 1 0 12345 1000000 250 18446744073709551615";
        let expected = |name: &str| Use { name: name.to_owned(), ..used(42, 100, 12345, 250) };
        for name in ["cron", "a b", ") R 1 (", ""] {
            assert_eq!(parse(&format!("42 ({name}) {rest}\n")), Some(expected(name)), "{name}");
        }
        for text in ["", "42", "42 (cron", "x (cron) S 1", "42 (cron) S 1 2 3"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_busiest_come_first_and_a_number_given_anew_is_another_process() {
        let before = [used(1, 1000, 5, 1), used(2, 500, 6, 1), used(3, 900, 7, 1)];
        let now = vec![used(1, 1001, 5, 1), used(2, 540, 6, 1), used(3, 30, 99, 1), used(4, 0, 100, 9)];
        let order: Vec<(u32, u64)> = busiest(&before, now).iter().map(|used| (used.pid, used.time)).collect();
        assert_eq!(order, [(2, 40), (3, 30), (1, 1), (4, 0)]);
        let many: Vec<Use> = (0..1000).map(|pid| used(pid, 0, 0, u64::from(pid))).collect();
        let shown = busiest(&[], many);
        assert_eq!((shown.len(), shown[0].pid), (SHOWN, 999));
    }

    #[test]
    fn a_busy_process_is_found_with_its_user_and_its_command() {
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
        assert!(processes.len() <= SHOWN);
    }
}
