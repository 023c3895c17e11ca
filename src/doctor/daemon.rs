//! The running daemon: its port, its version and its license status.

use std::net::SocketAddr;

use serde_json::Value;

use crate::doctor::context::Context;
use crate::doctor::daemon_status::DaemonStatus;
use crate::doctor::finding::Finding;
use crate::doctor::port::Port;
use crate::doctor::reach::UnixUser;
use opterius_base::clock::Timestamp;
use opterius_base::text::one_line;
use opterius_license::model::Terms;
use opterius_license::reason::{INVALID, UNREACHABLE};
use opterius_license::standing::Standing;
use opterius_license::warning::{self, Warning};

/// The endpoint that reports the daemon's version.
const HEALTH_PATH: &str = "/health";

/// Which process listens on the port.
pub fn port(context: &Context<'_>) -> Option<Finding> {
    let (port, system) = (&context.port, context.system);
    let address = port.address;
    Some(if address.port() == 0 {
        let fix = format!("set a fixed port, such as port=7443: {}", context.editor());
        Finding::warn("port=0: the daemon's port is unknown", fix)
    } else if port.is_foreign(&context.agent) {
        taken(port, &context.agent, &context.restart())
    } else if let Some(holder) = &port.holder {
        Finding::pass(format!("{holder} uses {address}"))
    } else if !port.is_open() {
        Finding::pass(format!("no other process uses {address}"))
    } else if system.is_root {
        Finding::pass(format!("systemd holds {address} for its service"))
    } else {
        context.needs_root(&format!("which process uses {address}"))
    })
}

fn taken(port: &Port, agent: &UnixUser, restart: &str) -> Finding {
    let address = port.address;
    let (holder, end) = match &port.holder {
        Some(holder) => (holder.to_string(), format!("kill {}", holder.process)),
        None => ("another process".to_owned(), format!("find it and stop it: ss -ltnp sport = :{}", address.port())),
    };
    let user =
        port.stranger(agent).map_or(String::new(), |user| format!("; it runs as user {user}, not as {}", agent.name));
    Finding::fail(
        format!("{holder} uses {address}{user}"),
        format!("{end}; or set another port in agent.conf and in the Panel; then run: {restart}"),
    )
}

/// Whether the daemon answers, and which version.
pub fn answers(context: &Context<'_>) -> Option<Finding> {
    // The kernel chose the port 0.
    let address = Some(context.port.address).filter(|address| address.port() != 0)?;
    let restart = context.restart();
    if context.port.is_foreign(&context.agent) {
        return Some(Finding::fail(
            format!(
                "not asked: another process has its port {address}, and what it says about a license counts for nothing"
            ),
            format!("see port; then run: {restart}"),
        ));
    }
    Some(match context.system.probe.daemon(address, HEALTH_PATH) {
        Err(error) => silent(context, address, &error),
        Ok((status, body)) => {
            let health: Value = serde_json::from_str(&body).unwrap_or_default();
            judge_version(status, health.get("agent_version").and_then(Value::as_str), &restart)
        }
    })
}

fn silent(context: &Context<'_>, address: SocketAddr, error: &str) -> Finding {
    let restart = context.restart();
    if context.config().is_none() {
        return Finding::warn(format!("does not answer on the default address {address}"), restart);
    }
    let seen = format!("does not answer on {address}: {error}");
    match context.process {
        Some(process) if process.has_other_network() => {
            Finding::fail(seen, format!("it is in another network namespace: {}", context.command_beside(process)))
        }
        Some(process) if !context.port.is_open() => Finding::fail(
            format!(
                "{seen}; it runs as process {} with another port or listen_addr than agent.conf has now",
                process.id
            ),
            format!("if agent.conf is right: {restart}"),
        ),
        _ => Finding::fail(seen, restart),
    }
}

fn judge_version(status: u16, version: Option<&str>, restart: &str) -> Finding {
    let own = env!("CARGO_PKG_VERSION");
    match version.filter(|_| status == 200).map(|version| one_line(version, 40)) {
        None => Finding::fail(format!("HTTP {status}, but not a response from the Agent"), restart),
        Some(version) if version != own => {
            Finding::warn(format!("version {version} is running, but {own} is installed"), restart)
        }
        Some(version) => Finding::pass(format!("version {version} answers")),
    }
}

/// The daemon's license status, and the limits that it warns about.
pub fn standing(context: &Context<'_>) -> Option<Finding> {
    let status = context.status.as_ref()?;
    let (message, state) = (status.text("message"), status.text("state"));
    let next = status.text("next_check_at");
    let after = |text: &str, end: &str| if next.is_empty() { String::new() } else { format!("{text}{next}{end}") };
    let mut finding = match state.as_str() {
        "active" if status.is_valid() => {
            Finding::pass(format!("valid, plan {}{}", status.text("plan"), after("; next check ", "")))
        }
        "grace" if status.is_valid() => {
            let until = status.text("grace_until");
            Finding::warn(
                format!("valid until {until} at the latest: {message}{}", after(" Next check: ", ".")),
                context.help(UNREACHABLE),
            )
        }
        _ => {
            let reason = Some(status.text("reason")).filter(|reason| !reason.is_empty());
            let reason = reason.unwrap_or_else(|| INVALID.to_owned());
            Finding::fail(
                format!("restricted, {reason}: {message}{}", after(" Next check: ", ".")),
                context.help(&reason),
            )
        }
    };
    for warning in warnings(status, context.system.clock.wall()) {
        let remedy = match warning {
            // Beside the help of the finding.
            Warning::Grace { .. } => "",
            _ => warning.remedy(),
        };
        finding.add_warning(&warning.sentence(), remedy);
    }
    Some(finding)
}

/// The warnings that follow from the members of the status. Its own are sentences with a command, and no command that doctor
/// shows may come from a response.
fn warnings(status: &DaemonStatus, now: Timestamp) -> Vec<Warning> {
    let standing = match status.instant("grace_until") {
        _ if !status.is_valid() => return Vec::new(),
        Some(until) => Standing::Grace { until },
        None => Standing::Active,
    };
    let terms = Terms {
        max_accounts: status.number("max_accounts"),
        expires_at: status.instant("expires_at"),
        ..Terms::default()
    };
    warning::warnings(&standing, &terms, status.number("accounts_used"), now, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    const START: &str = "systemctl restart opterius-agent";

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
            assert_eq!(judge_version(status, version, START).verdict, verdict, "{status} {version:?}");
        }
    }
}
