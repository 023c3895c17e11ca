//! The allowed services of a hosting server, and their state in systemd.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::servers::php::versions;
use crate::systemctl;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;

/// The Agent's own service.
pub const AGENT: &str = "opterius-agent";

/// Services that can be listed and controlled, besides PHP: unit and display name.
const SERVICES: [(&str, &str); 15] = [
    ("nginx", "Nginx"),
    ("apache2", "Apache"),
    ("mariadb", "MariaDB"),
    ("mysql", "MySQL"),
    ("postgresql", "PostgreSQL"),
    ("pdns", "PowerDNS"),
    ("postfix", "Postfix"),
    ("dovecot", "Dovecot"),
    ("rspamd", "Rspamd"),
    ("redis-server", "Redis"),
    ("memcached", "Memcached"),
    ("fail2ban", "Fail2ban"),
    ("ssh", "OpenSSH"),
    ("cron", "Cron"),
    (AGENT, "Opterius Agent"),
];

/// The allowed services of a host, including PHP: units and display names.
pub fn allowed(host: &Host) -> BTreeMap<String, String> {
    let php = versions::installed(host);
    let php = php.iter().map(|version| (versions::service(version), format!("PHP {version} FPM")));
    SERVICES.iter().map(|(unit, name)| ((*unit).to_owned(), (*name).to_owned())).chain(php).collect()
}

/// The properties of units, in one call of systemctl.
///
/// # Errors
/// systemctl failed.
pub fn show(names: &[&str], deadline: Deadline) -> Result<String, Problem> {
    let properties = "--property=Id,LoadState,ActiveState,ActiveEnterTimestampMonotonic";
    let units = names.iter().map(|name| format!("{name}.service"));
    let arguments = ["show".to_owned(), properties.to_owned()].into_iter().chain(units);
    Ok(systemctl::succeed(arguments, deadline)?.stdout)
}

/// The properties of one unit.
pub struct Unit<'a>(&'a str);

/// Splits the output of `systemctl show`, which separates units with an empty line.
pub fn units(output: &str) -> impl Iterator<Item = Unit<'_>> {
    output.split("\n\n").filter(|block| !block.trim().is_empty()).map(Unit)
}

impl<'a> Unit<'a> {
    /// A property; empty if it is missing.
    pub fn property(&self, name: &str) -> &'a str {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
    }

    /// Whether the unit is installed.
    pub fn is_installed(&self) -> bool {
        self.property("LoadState") == "loaded"
    }

    /// How long the unit has been active; `now` is the time since boot.
    pub fn uptime(&self, now: Duration) -> Option<Duration> {
        let since = self.property("ActiveEnterTimestampMonotonic").parse().ok().map(Duration::from_micros)?;
        (self.property("ActiveState") == "active").then(|| now.saturating_sub(since))
    }
}
