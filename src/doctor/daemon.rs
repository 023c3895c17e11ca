//! The running daemon: its port, its version, and its license status.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;

use serde_json::Value;

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::doctor::process::Process;
use crate::doctor::reach::UnixUser;
use crate::doctor::system::System;
use crate::program::PROGRAM;
use opterius_base::text::one_line;
use opterius_daemon::port_holder::{self, Holder};
use opterius_license::reason::{INVALID, UNREACHABLE};

/// The endpoint that reports the daemon's version.
const HEALTH_PATH: &str = "/health";

const START: &str = "systemctl restart opterius-agent; journalctl -u opterius-agent -n 20";

/// Which process listens on the port.
pub fn port(context: &Context<'_>) -> Option<Finding> {
    let (address, system) = (context.address, context.system);
    Some(if address.port() == 0 {
        let fix = format!("set a fixed port, such as port=7443: editor {}", system.config_path.display());
        Finding::warn("port=0: the daemon's port is unknown", fix)
    } else if !is_taken(system, address) {
        Finding::pass(format!("no other process uses {address}"))
    } else if let Some(holder) = &context.holder {
        let owner = std::fs::metadata(system.path(&format!("/proc/{}", holder.process))).ok();
        judge_holder(address, holder, owner.map(|owner| owner.uid()), &context.agent)
    } else if system.is_root {
        Finding::pass(format!("systemd holds {address} for its service"))
    } else {
        context.needs_root(&format!("which process uses {address}"))
    })
}

fn is_taken(system: &System<'_>, address: SocketAddr) -> bool {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| system.read(table));
    tables.iter().any(|table| !port_holder::listening(table, address).is_empty())
}

fn judge_holder(address: SocketAddr, holder: &Holder, owner: Option<u32>, agent: &UnixUser) -> Finding {
    let end = format!("kill {}; or set another port in agent.conf and in the Panel; then run: {START}", holder.process);
    let seen = format!("{holder} uses {address}");
    match owner {
        _ if holder.name != PROGRAM.name => Finding::fail(seen, end),
        Some(uid) if uid != 0 && agent.uid.is_some_and(|own| own != uid) => {
            Finding::fail(format!("{seen}; it runs as user {uid}, not as {}", agent.name), end)
        }
        _ => Finding::pass(seen),
    }
}

/// Whether the daemon answers, and which version.
pub fn answers(context: &Context<'_>) -> Option<Finding> {
    // The kernel chose the port 0.
    let address = Some(context.address).filter(|address| address.port() != 0)?;
    Some(match context.system.probe.daemon(address, HEALTH_PATH) {
        Err(_) if context.config().is_none() => {
            Finding::warn(format!("does not answer on the default address {address}"), START)
        }
        Err(error) => Finding::fail(
            format!("does not answer on {address}: {error}"),
            context.process().filter(Process::has_other_network).map_or(START.to_owned(), |process| {
                format!("it is in another network namespace: {}", context.command_beside(process))
            }),
        ),
        Ok((status, body)) => {
            let health: Value = serde_json::from_str(&body).unwrap_or_default();
            judge_version(status, health.get("agent_version").and_then(Value::as_str))
        }
    })
}

fn judge_version(status: u16, version: Option<&str>) -> Finding {
    let own = env!("CARGO_PKG_VERSION");
    match version.filter(|_| status == 200).map(|version| one_line(version, 40)) {
        None => Finding::fail(format!("HTTP {status}, but not a response from the Agent"), START),
        Some(version) if version != own => Finding::warn(
            format!("version {version} is running, but {own} is installed"),
            "systemctl restart opterius-agent",
        ),
        Some(version) => Finding::pass(format!("version {version} answers")),
    }
}

/// The daemon's license status, and the limits that it warns about.
pub fn standing(context: &Context<'_>) -> Option<Finding> {
    let status = context.status.as_ref()?;
    let (message, state) = (status.text("message"), status.text("state"));
    let help = |reason: &str| context.guide().help(reason);
    let mut finding = match state.as_str() {
        "active" if status.is_valid() => {
            let next = status.text("next_check_at");
            let next = if next.is_empty() { next } else { format!("; next check {next}") };
            Finding::pass(format!("valid, plan {}{next}", status.text("plan")))
        }
        "grace" if status.is_valid() => {
            let until = status.text("grace_until");
            Finding::warn(format!("valid until {until} at the latest: {message}"), help(UNREACHABLE))
        }
        _ => {
            let reason = Some(status.text("reason")).filter(|reason| !reason.is_empty());
            let reason = reason.unwrap_or_else(|| INVALID.to_owned());
            Finding::fail(format!("restricted, {reason}: {message}"), help(&reason))
        }
    };
    for warning in status.warnings() {
        let (sentence, remedy) = warning.split_once(". ").unwrap_or((&warning, "opterius-agent status"));
        finding.add_warning(sentence, remedy);
    }
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;
    use opterius_host::users::register::Register;

    #[test]
    fn only_the_agents_own_user_can_hold_the_port() {
        let register = Register::parse("opterius:x:990:990::/:/bin/false\n", "");
        let agent = UnixUser::lookup(&register, "opterius");
        let address = SocketAddr::from(([127, 0, 0, 1], 7443));
        let table = [
            ("opterius-agent", Some(990), Verdict::Pass),
            ("opterius-agent", Some(0), Verdict::Pass),
            ("opterius-agent", Some(1001), Verdict::Fail),
            ("nginx", Some(0), Verdict::Fail),
            ("opterius-agent", None, Verdict::Pass),
        ];
        for (name, owner, verdict) in table {
            let holder = Holder { name: name.to_owned(), process: 5 };
            assert_eq!(judge_holder(address, &holder, owner, &agent).verdict, verdict, "{name} {owner:?}");
        }
    }

    #[test]
    fn an_outdated_daemon_needs_a_restart() {
        let own = env!("CARGO_PKG_VERSION");
        let table = [
            (200, Some(own), Verdict::Pass),
            (200, Some("0.0.1"), Verdict::Warn),
            (200, None, Verdict::Fail),
            (404, Some(own), Verdict::Fail),
        ];
        for (status, version, verdict) in table {
            assert_eq!(judge_version(status, version).verdict, verdict, "{status} {version:?}");
        }
    }
}
