//! The state of the service in systemd.

use std::collections::HashMap;

use crate::doctor::system::System;

/// The Agent's unit.
pub const UNIT: &str = "opterius-agent.service";

/// The queried properties.
const PROPERTIES: &str = "LoadState,ActiveState,UnitFileState,FragmentPath,DropInPaths,User,ExecMainStatus,MainPID";

/// The state of the service in systemd.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// `loaded`, `masked`, `not-found`, ….
    pub load: String,
    /// `active`, `failed`, ….
    pub active: String,
    /// `enabled` or `disabled`: whether it starts at boot.
    pub enabled: String,
    /// The path of the unit file.
    pub fragment: String,
    drop_ins: Vec<String>,
    /// The user that it runs as.
    pub user: String,
    /// The exit code of the last run.
    pub status: String,
    /// The process id of the daemon, if it runs.
    pub main_process: Option<u32>,
}

impl Service {
    /// Queries systemd; `None` if systemd does not answer.
    pub fn query(system: &System<'_>) -> Option<Self> {
        let shown = system.has_systemd().then(|| system.printed("systemctl", &["show", UNIT, "-p", PROPERTIES]));
        shown.flatten().map(|text| Self::parse(&text))
    }

    /// Parses the output of `systemctl show`.
    pub fn parse(text: &str) -> Self {
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
            main_process: value("MainPID").parse().ok().filter(|id| *id != 0),
        }
    }

    /// Whether the unit exists.
    pub fn is_loaded(&self) -> bool {
        self.load == "loaded"
    }

    /// Whether the unit file overrides the package's.
    pub fn is_override(&self) -> bool {
        ["/etc/", "/run/", "/usr/local/"].iter().any(|place| self.fragment.starts_with(place))
    }

    /// Drop-ins that no package installed.
    pub fn own_drop_ins(&self) -> impl Iterator<Item = &str> {
        let own = |path: &&String| !path.starts_with("/usr/lib/") && !path.starts_with("/lib/");
        self.drop_ins.iter().filter(own).map(String::as_str)
    }
}
