//! The service: its unit, and whether it is running.

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::doctor::shell;
use crate::doctor::systemd::{Service, UNIT};
use opterius_daemon::{EXIT_CONFIGURATION, EXIT_PERMISSION};

/// Where packages install units; with a merged /usr, both are the same directory.
const PACKAGED: [&str; 2] = ["/usr/lib/systemd/system", "/lib/systemd/system"];

/// Which files define the unit.
pub fn unit(context: &Context<'_>) -> Option<Finding> {
    let system = context.system;
    Some(match &context.service {
        Some(service) => {
            let packaged = PACKAGED.iter().map(|directory| format!("{directory}/{UNIT}"));
            let packaged = packaged.into_iter().find(|path| system.path(path).exists());
            judge_unit(service, packaged.as_deref())
        }
        None if system.has_systemd() => Finding::warn("systemd does not answer", "systemctl status opterius-agent"),
        None => Finding::pass("this host does not run systemd"),
    })
}

/// `packaged` is the package's unit file, if there is one.
fn judge_unit(service: &Service, packaged: Option<&str>) -> Finding {
    let again = "systemctl daemon-reload; systemctl restart opterius-agent";
    match packaged {
        _ if service.load == "masked" => {
            Finding::fail(format!("{UNIT} is masked and cannot start"), "systemctl unmask opterius-agent")
        }
        _ if !service.is_loaded() => Finding::warn(
            format!("systemd has no {UNIT}"),
            "install the package, or the unit as documented under Install",
        ),
        Some(packaged) if service.fragment != packaged && service.is_override() => Finding::fail(
            format!("{} overrides the package's {packaged}", service.fragment),
            format!("mv {0} {0}.old; {again}", shell::quoted(&service.fragment)),
        ),
        _ if service.own_drop_ins().next().is_some() => Finding::warn(
            format!("{} is modified by {}", service.fragment, service.own_drop_ins().collect::<Vec<_>>().join(", ")),
            "review the changes: systemctl cat opterius-agent; to undo them: systemctl revert opterius-agent",
        ),
        _ if service.user == "root" => Finding::warn(
            format!("{} runs the Agent as root", service.fragment),
            format!("set User=opterius: systemctl edit --full opterius-agent; {again}"),
        ),
        _ => Finding::pass(format!("{}, as user {}", service.fragment, service.user)),
    }
}

/// Whether it is running, and starts at boot.
pub fn running(context: &Context<'_>) -> Option<Finding> {
    context.service.as_ref().filter(|service| service.is_loaded()).map(judge_running)
}

fn judge_running(service: &Service) -> Finding {
    let log = "journalctl -u opterius-agent -n 20";
    match service.active.as_str() {
        "active" | "reloading" if service.enabled == "disabled" => {
            Finding::warn("active, but does not start at boot", "systemctl enable opterius-agent")
        }
        "active" | "reloading" => Finding::pass("active"),
        "failed" => {
            let codes = [EXIT_PERMISSION, EXIT_CONFIGURATION].map(|code| code.to_string());
            let why = if codes.contains(&service.status) { ": its configuration is invalid" } else { "" };
            let seen = format!("failed, exit code {}{why}", service.status);
            Finding::fail(seen, format!("find the cause: {log}; then run: systemctl restart opterius-agent"))
        }
        other => {
            let seen = if other.is_empty() { "unknown" } else { other };
            Finding::fail(seen, "systemctl enable --now opterius-agent")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    const SHOWN: &str = "User=opterius\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\nExecMainStatus=0\n\
                         FragmentPath=/usr/lib/systemd/system/opterius-agent.service\nDropInPaths=\n";

    fn with(name: &str, value: &str) -> Service {
        let others: String =
            SHOWN.lines().filter(|line| !line.starts_with(name)).map(|line| format!("{line}\n")).collect();
        Service::parse(&format!("{others}{name}={value}\n"))
    }

    #[test]
    fn a_unit_that_overrides_the_packages_is_found() {
        let packaged = "/usr/lib/systemd/system/opterius-agent.service";
        let table = [
            ("User", "opterius", Some(packaged), Verdict::Pass, "opterius"),
            ("User", "", Some(packaged), Verdict::Warn, "as root"),
            ("FragmentPath", "/etc/systemd/system/opterius-agent.service", Some(packaged), Verdict::Fail, "overrides"),
            ("FragmentPath", "/etc/systemd/system/opterius-agent.service", None, Verdict::Pass, "/etc"),
            ("FragmentPath", "/lib/systemd/system/opterius-agent.service", Some(packaged), Verdict::Pass, "/lib"),
            ("DropInPaths", "/usr/lib/systemd/system/service.d/10.conf", Some(packaged), Verdict::Pass, ""),
            ("DropInPaths", "/etc/systemd/system/opterius-agent.service.d/a.conf", None, Verdict::Warn, "a.conf"),
            ("LoadState", "masked", None, Verdict::Fail, "is masked"),
            ("LoadState", "not-found", None, Verdict::Warn, "no opterius-agent.service"),
        ];
        for (name, value, packaged, verdict, word) in table {
            let finding = judge_unit(&with(name, value), packaged);
            assert!(finding.verdict == verdict && finding.seen.contains(word), "{name}={value}: {finding:?}");
        }
    }

    #[test]
    fn the_fix_for_a_stopped_service_starts_it() {
        let table = [
            ("ActiveState", "active", Verdict::Pass, ""),
            ("UnitFileState", "disabled", Verdict::Warn, "systemctl enable opterius-agent"),
            ("ActiveState", "inactive", Verdict::Fail, "systemctl enable --now"),
            ("ActiveState", "failed", Verdict::Fail, "journalctl"),
        ];
        for (name, value, verdict, word) in table {
            let finding = judge_running(&with(name, value));
            let fix = finding.fix.clone().unwrap_or_default();
            assert!(finding.verdict == verdict && fix.contains(word), "{name}={value}: {finding:?}");
        }
    }
}
