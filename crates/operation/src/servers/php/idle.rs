//! Ends masters that have served no request for a while. Their sockets stay, so the next request starts them again.

use std::fs;
use std::time::Duration;

use crate::servers::php::units::PREFIX;
use opterius_base::deadline::Deadline;
use opterius_host::problem::Problem;
use opterius_host::tool::Tool;

/// Only masters that have been running for this long are ended; a fresh one may not have forked for its first request yet.
const MIN_AGE: Duration = Duration::from_secs(60);

/// One running master.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Running {
    unit: String,
    main_process: u32,
    /// Machine time of its start.
    since: Duration,
}

/// Ends all masters without a child process, which FPM keeps for a minute after a request. Returns how many.
///
/// # Errors
/// systemctl failed.
pub fn end(machine_time: Duration, deadline: Deadline) -> Result<usize, Problem> {
    let pattern = format!("{PREFIX}*@*.service");
    let shown = Tool::named("systemctl")?
        .args(["show", "--state=active", "--property=Id,MainPID,ActiveEnterTimestampMonotonic", &pattern])
        .succeed(deadline)?
        .stdout;
    let idle = parse(&shown)
        .into_iter()
        .filter(|master| machine_time.saturating_sub(master.since) >= MIN_AGE && has_no_children(master.main_process));
    let idle: Vec<String> = idle.map(|master| master.unit).collect();
    if !idle.is_empty() {
        Tool::named("systemctl")?.args(["stop", "--no-block"]).args(&idle).succeed(deadline)?;
    }
    Ok(idle.len())
}

/// Parses the output of `systemctl show`, which separates units with an empty line.
fn parse(shown: &str) -> Vec<Running> {
    let blocks = shown.split("\n\n").filter_map(|block| {
        let value = |key: &str| block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        let main_process = value("MainPID")?.parse().ok().filter(|pid| *pid > 0)?;
        let since = Duration::from_micros(value("ActiveEnterTimestampMonotonic")?.parse().ok()?);
        Some(Running { unit: value("Id")?.to_owned(), main_process, since })
    });
    blocks.collect()
}

/// Whether a process has no children. Its control group is no measure: a script can leave processes behind in it.
fn has_no_children(process: u32) -> bool {
    fs::read_to_string(format!("/proc/{process}/task/{process}/children")).is_ok_and(|text| text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_masters_are_read_from_systemctl() {
        let text = "MainPID=838\nId=opterius-php-8.2@alice.service\nActiveEnterTimestampMonotonic=2000000\n\n\
                    MainPID=0\nId=opterius-php-8.2@bob.service\nActiveEnterTimestampMonotonic=0\n";
        let alice = Running {
            unit: "opterius-php-8.2@alice.service".to_owned(),
            main_process: 838,
            since: Duration::from_secs(2),
        };
        assert_eq!(parse(text), [alice]);
        assert_eq!(parse(""), []);
    }

    #[test]
    fn children_are_those_of_the_process_itself() {
        let child = std::process::Command::new("sleep").arg("60").spawn();
        let mut child = child.unwrap();
        // The child has none; this process has at least that one.
        assert!(has_no_children(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!has_no_children(u32::MAX));
    }
}
