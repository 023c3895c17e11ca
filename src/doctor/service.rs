//! The service: its unit as systemd has it, and whether it runs.

use std::collections::HashMap;

use crate::doctor::finding::Finding;
use crate::doctor::surroundings::Surroundings;
use opterius_daemon::{EXIT_CONFIGURATION, EXIT_PERMISSION};

/// The unit.
const UNIT: &str = "opterius-agent.service";

/// Where a package has its units: the second is the same directory where /lib is a link.
const PACKAGED: [&str; 2] = ["/usr/lib/systemd/system", "/lib/systemd/system"];

/// What is asked about it.
const PROPERTIES: &str = "LoadState,ActiveState,UnitFileState,FragmentPath,DropInPaths,User,ExecMainStatus";

/// What systemd knows of the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    load: String,
    active: String,
    enabled: String,
    fragment: String,
    drop_ins: Vec<String>,
    /// The user that it runs as.
    pub user: String,
    status: String,
}

impl Service {
    /// What systemd says of it; none where systemd cannot be asked.
    pub fn of(around: &Surroundings<'_>) -> Option<Self> {
        let asked = around.has_systemd().then(|| around.printed("systemctl", &["show", UNIT, "-p", PROPERTIES]));
        asked.flatten().map(|text| Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let values: HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
        let value = |name: &str| (*values.get(name).unwrap_or(&"")).to_owned();
        let user = value("User");
        Self {
            load: value("LoadState"),
            active: value("ActiveState"),
            enabled: value("UnitFileState"),
            fragment: value("FragmentPath"),
            drop_ins: value("DropInPaths").split_ascii_whitespace().map(str::to_owned).collect(),
            user: if user.is_empty() { "root".to_owned() } else { user },
            status: value("ExecMainStatus"),
        }
    }

    /// Whether there is such a unit.
    pub fn is_loaded(&self) -> bool {
        self.load == "loaded"
    }

    /// Which files make the unit. `packaged` is the package's own, where there is one.
    fn unit(&self, packaged: Option<&str>) -> Finding {
        let check = "unit";
        let again = "systemctl daemon-reload; systemctl restart opterius-agent";
        match packaged {
            _ if self.load == "masked" => Finding::fail(
                check,
                format!("{UNIT} is masked: it cannot be started"),
                "systemctl unmask opterius-agent",
            ),
            _ if !self.is_loaded() => Finding::warn(
                check,
                format!("systemd has no {UNIT}"),
                "install the package, or the unit as the README says under Install",
            ),
            Some(packaged) if self.fragment != packaged && self.is_override() => Finding::fail(
                check,
                format!("{} is used instead of the package's {packaged}", self.fragment),
                format!("mv {0} {0}.old; {again}", self.fragment),
            ),
            _ if self.own_drop_ins().next().is_some() => Finding::warn(
                check,
                format!("{} is changed by {}", self.fragment, self.own_drop_ins().collect::<Vec<_>>().join(", ")),
                "see what they change: systemctl cat opterius-agent; to undo it: systemctl revert opterius-agent",
            ),
            _ if self.user == "root" => Finding::warn(
                check,
                format!("{} runs the Agent as root", self.fragment),
                format!("set User=opterius: systemctl edit --full opterius-agent; {again}"),
            ),
            _ => Finding::pass(check, format!("{}, as user {}", self.fragment, self.user)),
        }
    }

    fn is_override(&self) -> bool {
        ["/etc/", "/run/", "/usr/local/"].iter().any(|place| self.fragment.starts_with(place))
    }

    /// Drop-ins that no package has brought.
    fn own_drop_ins(&self) -> impl Iterator<Item = &str> {
        let own = |path: &&String| !path.starts_with("/usr/lib/") && !path.starts_with("/lib/");
        self.drop_ins.iter().filter(own).map(String::as_str)
    }

    /// Whether it runs, and will after the next boot.
    fn running(&self) -> Finding {
        let check = "service";
        let log = "journalctl -u opterius-agent -n 20";
        match self.active.as_str() {
            "active" | "reloading" if self.enabled == "disabled" => {
                Finding::warn(check, "active, but not started at boot", "systemctl enable opterius-agent")
            }
            "active" | "reloading" => Finding::pass(check, "active"),
            "failed" => {
                let codes = [EXIT_PERMISSION, EXIT_CONFIGURATION].map(|code| code.to_string());
                let why = if codes.contains(&self.status) { ": its configuration cannot be used" } else { "" };
                let seen = format!("failed, exit code {}{why}", self.status);
                Finding::fail(check, seen, format!("see why: {log}; then run: systemctl restart opterius-agent"))
            }
            other => {
                let seen = if other.is_empty() { "unknown" } else { other };
                Finding::fail(check, seen, "systemctl enable --now opterius-agent")
            }
        }
    }
}

/// Both checks, where systemd runs the services of this machine.
pub fn checks(around: &Surroundings<'_>, service: Option<&Service>) -> Vec<Finding> {
    let Some(service) = service else {
        return vec![if around.has_systemd() {
            Finding::warn("unit", "systemd does not answer", "systemctl status opterius-agent")
        } else {
            Finding::pass("unit", "systemd does not run here")
        }];
    };
    let packaged = PACKAGED.iter().map(|directory| format!("{directory}/{UNIT}"));
    let packaged = packaged.into_iter().find(|path| around.path(path).exists());
    let unit = service.unit(packaged.as_deref());
    if service.is_loaded() { vec![unit, service.running()] } else { vec![unit] }
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
    fn another_unit_in_the_place_of_the_packages_is_seen() {
        let packaged = "/usr/lib/systemd/system/opterius-agent.service";
        let table = [
            ("User", "opterius", Some(packaged), Verdict::Pass, "opterius"),
            ("User", "", Some(packaged), Verdict::Warn, "as root"),
            ("FragmentPath", "/etc/systemd/system/opterius-agent.service", Some(packaged), Verdict::Fail, "instead of"),
            ("FragmentPath", "/etc/systemd/system/opterius-agent.service", None, Verdict::Pass, "/etc"),
            ("FragmentPath", "/lib/systemd/system/opterius-agent.service", Some(packaged), Verdict::Pass, "/lib"),
            ("DropInPaths", "/usr/lib/systemd/system/service.d/10.conf", Some(packaged), Verdict::Pass, ""),
            ("DropInPaths", "/etc/systemd/system/opterius-agent.service.d/a.conf", None, Verdict::Warn, "a.conf"),
            ("LoadState", "masked", None, Verdict::Fail, "is masked"),
            ("LoadState", "not-found", None, Verdict::Warn, "no opterius-agent.service"),
        ];
        for (name, value, packaged, verdict, word) in table {
            let finding = with(name, value).unit(packaged);
            assert!(finding.verdict == verdict && finding.seen.contains(word), "{name}={value}: {finding:?}");
        }
    }

    #[test]
    fn a_service_that_does_not_run_is_started() {
        let table = [
            ("ActiveState", "active", Verdict::Pass, ""),
            ("UnitFileState", "disabled", Verdict::Warn, "systemctl enable opterius-agent"),
            ("ActiveState", "inactive", Verdict::Fail, "systemctl enable --now"),
            ("ActiveState", "failed", Verdict::Fail, "journalctl"),
        ];
        for (name, value, verdict, word) in table {
            let finding = with(name, value).running();
            let fix = finding.fix.clone().unwrap_or_default();
            assert!(finding.verdict == verdict && fix.contains(word), "{name}={value}: {finding:?}");
        }
    }
}
