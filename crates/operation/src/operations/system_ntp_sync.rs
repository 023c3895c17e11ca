//! `/system/ntp-sync`: restarts the service that sets the clock, which then asks its servers at once. The helper itself cannot set
//! the clock.

use std::fs;
use std::time::{Duration, SystemTime};

use rustix::event::{Timespec, poll};
use serde_json::{Value, json};

use crate::perform::{Context, Perform};
use crate::system::services::{Unit, show, units};
use crate::systemctl;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::system_ntp_sync::SynchronizeClock;
use opterius_host::tool::Tool;

/// Services that set the clock, the one that is preferred first if none runs.
const SERVICES: [&str; 7] = ["systemd-timesyncd", "chrony", "chronyd", "ntpsec", "ntp", "ntpd", "openntpd"];

/// The file that systemd-timesyncd touches at each synchronization.
const SYNCHRONIZED: &str = "/run/systemd/timesync/synchronized";

/// Time limit for the restart.
const RESTART_TIME: Duration = Duration::from_secs(20);

/// How long to wait for a server's answer.
const ANSWER_TIME: Duration = Duration::from_secs(5);

impl Perform for SynchronizeClock {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        if !host.has_systemd() {
            let sentence =
                "systemd does not run the services of this server, so the Agent cannot synchronize its clock.";
            return Err(Problem::Unavailable(sentence.to_owned()));
        }
        let missing =
            "No service that sets the clock is installed on this server. Run: apt-get install systemd-timesyncd";
        let service = chosen(&show(&SERVICES, deadline)?).ok_or_else(|| Problem::Unavailable(missing.to_owned()))?;
        let before = last_answer(host);
        systemctl::succeed_within(RESTART_TIME, ["restart", &format!("{service}.service")], deadline)?;
        if !is_active(&service, deadline)? {
            return Err(Problem::Unavailable(format!(
                "systemd did not start {service}, whose conditions are not met (systemctl status {service} shows which). In a \
                 container, the clock is its host's, and is synchronized there."
            )));
        }
        let is_synchronized = waits(deadline.sooner(ANSWER_TIME), || is_synchronized(host, &service, before, deadline));
        let warning = format!("{service} was restarted and has no answer of a server yet. Compare: timedatectl");
        let warnings: Vec<String> = if is_synchronized { Vec::new() } else { vec![warning] };
        Ok(json!({"method": service, "synchronized": is_synchronized, "warnings": warnings}))
    }
}

/// The installed service that runs, otherwise the first installed one.
fn chosen(output: &str) -> Option<String> {
    let installed: Vec<Unit<'_>> = units(output).filter(Unit::is_installed).collect();
    let running = installed.iter().find(|unit| unit.property("ActiveState") == "active");
    let unit = running.or(installed.first())?;
    unit.property("Id").strip_suffix(".service").map(str::to_owned)
}

fn is_active(service: &str, deadline: Deadline) -> Result<bool, Problem> {
    Ok(units(&show(&[service], deadline)?).any(|unit| unit.property("ActiveState") == "active"))
}

/// When systemd-timesyncd has had its last answer.
fn last_answer(host: &Host) -> Option<SystemTime> {
    fs::metadata(host.path(SYNCHRONIZED)).and_then(|found| found.modified()).ok()
}

fn is_synchronized(host: &Host, service: &str, before: Option<SystemTime>, deadline: Deadline) -> bool {
    if service == "systemd-timesyncd" {
        let now = last_answer(host);
        // The kernel's state, which timedatectl shows, is still the one from before. Times are compared for being different: the
        // clock may have been set back.
        return now.is_some() && now != before;
    }
    let shown =
        Tool::named("timedatectl").and_then(|tool| tool.args(["show", "--property=NTPSynchronized"]).run(deadline));
    shown.is_ok_and(|output| output.stdout.trim() == "NTPSynchronized=yes")
}

/// Waits until `is_done`; returns whether it was in time.
fn waits(deadline: Deadline, is_done: impl Fn() -> bool) -> bool {
    loop {
        if is_done() {
            return true;
        }
        if deadline.is_over() {
            return false;
        }
        let _ = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 100_000_000 }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    #[test]
    fn the_service_that_runs_is_chosen() {
        let unit =
            |name: &str, load: &str, state: &str| format!("Id={name}.service\nLoadState={load}\nActiveState={state}\n");
        let table = [
            (vec![("systemd-timesyncd", "loaded", "inactive"), ("chrony", "loaded", "active")], Some("chrony")),
            (
                vec![("systemd-timesyncd", "loaded", "inactive"), ("chrony", "not-found", "inactive")],
                Some("systemd-timesyncd"),
            ),
            (vec![("systemd-timesyncd", "masked", "inactive"), ("ntp", "loaded", "failed")], Some("ntp")),
            (vec![("systemd-timesyncd", "masked", "inactive"), ("ntp", "not-found", "inactive")], None),
        ];
        for (found, expected) in table {
            let output: Vec<String> = found.iter().map(|(name, load, state)| unit(name, load, state)).collect();
            assert_eq!(chosen(&output.join("\n")).as_deref(), expected, "{found:?}");
        }
    }

    #[test]
    fn without_systemd_the_clock_cannot_be_synchronized() {
        assert_eq!(Tree::new().perform(&SynchronizeClock {}).unwrap_err().status(), 503);
    }
}
