//! What systemd knows of the service.

use std::collections::HashMap;

use crate::doctor::system::System;

/// The unit.
pub const UNIT: &str = "opterius-agent.service";

/// What is asked about it.
const PROPERTIES: &str = "LoadState,ActiveState,UnitFileState,FragmentPath,DropInPaths,User,ExecMainStatus";

/// What systemd knows of the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// `loaded`, `masked`, `not-found`, ….
    pub load: String,
    /// `active`, `failed`, ….
    pub active: String,
    /// `enabled` or `disabled` where it is started at boot or not.
    pub enabled: String,
    /// The file of the unit.
    pub fragment: String,
    drop_ins: Vec<String>,
    /// The user that it runs as.
    pub user: String,
    /// The exit code of the last run.
    pub status: String,
}

impl Service {
    /// What systemd says of it; none where systemd cannot be asked.
    pub fn query(system: &System<'_>) -> Option<Self> {
        let shown = system.has_systemd().then(|| system.printed("systemctl", &["show", UNIT, "-p", PROPERTIES]));
        shown.flatten().map(|text| Self::parse(&text))
    }

    /// What the text says that `systemctl show` prints.
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
        }
    }

    /// Whether there is such a unit.
    pub fn is_loaded(&self) -> bool {
        self.load == "loaded"
    }

    /// Whether the unit is one that stands before a package's.
    pub fn is_override(&self) -> bool {
        ["/etc/", "/run/", "/usr/local/"].iter().any(|place| self.fragment.starts_with(place))
    }

    /// Drop-ins that no package has brought.
    pub fn own_drop_ins(&self) -> impl Iterator<Item = &str> {
        let own = |path: &&String| !path.starts_with("/usr/lib/") && !path.starts_with("/lib/");
        self.drop_ins.iter().filter(own).map(String::as_str)
    }
}
