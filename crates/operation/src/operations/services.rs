//! The services of a hosting server, and what may be done with them: those of a white list, and never so that nobody is
//! left to answer.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::operations::php_list_versions;
use crate::servers::nginx;
use crate::servers::php;
use opterius_base::clock::{Clock, SystemClock};
use opterius_base::deadline::Deadline;
use opterius_base::text::duration;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::Action;
use opterius_host::tool::Tool;

/// Ourselves.
const AGENT: &str = "opterius-agent";

/// What may be listed and acted on, besides PHP: the unit, and what people call it.
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

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Service {
    name: String,
    display_name: String,
    /// systemd's word: active, inactive, failed, activating …
    status: String,
    /// How long it has been active, in words; else empty.
    uptime: String,
}

/// The services of the white list that are installed.
///
/// # Errors
/// systemd does not answer.
pub fn list(host: &Host, deadline: Deadline) -> Result<Value, Problem> {
    let services = if host.has_systemd() { listed(host, deadline)? } else { Vec::new() };
    Ok(json!({"services": services}))
}

/// Does something with a service of the white list.
///
/// # Errors
/// It is not in the list, is not installed, or must not be touched like this; nginx does not take its configuration; or it
/// failed.
pub fn action(host: &Host, service: &str, action: Action, deadline: Deadline) -> Result<Value, Problem> {
    let allowed = allowed(host);
    if !allowed.contains_key(service) {
        let names: Vec<&str> = allowed.keys().map(String::as_str).collect();
        return Err(Problem::invalid("service", format!("must be one of: {}", names.join(", "))));
    }
    if (service, action) == (AGENT, Action::Stop) {
        let sentence = "The Agent does not stop itself, because nobody could start it again from the Panel. On the server: \
                        systemctl stop opterius-agent";
        return Err(Problem::Conflict(sentence.to_owned()));
    }
    if !host.has_systemd() {
        let sentence = "systemd does not run the services of this server, so the Agent cannot act on them.";
        return Err(Problem::Unavailable(sentence.to_owned()));
    }
    if units(&show(&[service], deadline)?).next().is_none_or(|unit| !unit.is_installed()) {
        return Err(Problem::NotFound(format!("The service “{service}” is not installed on this server.")));
    }
    if service == "nginx" && matches!(action, Action::Restart | Action::Reload) {
        check_nginx(host, deadline)?;
    }
    let mut tool = Tool::named("systemctl")?.arg(action.word());
    if service == AGENT {
        // The answer has to leave before we go.
        tool = tool.arg("--no-block");
    }
    tool.arg(format!("{service}.service")).succeed(deadline)?;
    Ok(json!({"service": service, "action": action.word()}))
}

/// A running nginx with a configuration that it does not take goes on with the old one, and would not come back from a
/// restart.
fn check_nginx(host: &Host, deadline: Deadline) -> Result<(), Problem> {
    nginx::test(host, deadline).map_err(|problem| match problem {
        Problem::Failed(said) => Problem::Conflict(format!("nginx goes on as it is. {said}")),
        other => other,
    })
}

/// The white list of a host: units, and what people call them.
fn allowed(host: &Host) -> BTreeMap<String, String> {
    let php = php::versions(host);
    let php = php.iter().map(|version| (php_list_versions::service(version), format!("PHP {version} FPM")));
    SERVICES.iter().map(|(unit, name)| ((*unit).to_owned(), (*name).to_owned())).chain(php).collect()
}

fn listed(host: &Host, deadline: Deadline) -> Result<Vec<Service>, Problem> {
    let allowed = allowed(host);
    let names: Vec<&str> = allowed.keys().map(String::as_str).collect();
    Ok(services(&allowed, &show(&names, deadline)?, SystemClock.boot()))
}

/// What systemd says of units, in one call.
fn show(names: &[&str], deadline: Deadline) -> Result<String, Problem> {
    let properties = "--property=Id,LoadState,ActiveState,ActiveEnterTimestampMonotonic";
    let units = names.iter().map(|name| format!("{name}.service"));
    Ok(Tool::named("systemctl")?.arg("show").arg(properties).args(units).succeed(deadline)?.stdout)
}

/// What systemd says of one unit.
struct Unit<'a>(&'a str);

/// The units of an output of `systemctl show`, which leaves a line empty between them.
fn units(output: &str) -> impl Iterator<Item = Unit<'_>> {
    output.split("\n\n").filter(|block| !block.trim().is_empty()).map(Unit)
}

impl<'a> Unit<'a> {
    fn property(&self, name: &str) -> &'a str {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
    }

    fn is_installed(&self) -> bool {
        self.property("LoadState") == "loaded"
    }

    /// How long it has been active, `now` after boot.
    fn uptime(&self, now: Duration) -> Option<Duration> {
        let since = self.property("ActiveEnterTimestampMonotonic").parse().ok().map(Duration::from_micros)?;
        (self.property("ActiveState") == "active").then(|| now.saturating_sub(since))
    }
}

/// The services among units. An alias (`mysql` is often one of `mariadb`) is shown as what it stands for, once.
fn services(allowed: &BTreeMap<String, String>, output: &str, now: Duration) -> Vec<Service> {
    let service = |unit: Unit<'_>| {
        let name = unit.property("Id").strip_suffix(".service")?;
        let service = Service {
            name: name.to_owned(),
            display_name: allowed.get(name)?.clone(),
            status: unit.property("ActiveState").to_owned(),
            uptime: unit.uptime(now).map(duration).unwrap_or_default(),
        };
        unit.is_installed().then_some((name.to_owned(), service))
    };
    let by_name: BTreeMap<String, Service> = units(output).filter_map(service).collect();
    by_name.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Tree, soon};

    #[test]
    fn installed_services_are_shown_once_with_their_state() {
        let output = "Id=cron.service\nLoadState=loaded\nActiveState=active\nActiveEnterTimestampMonotonic=60000000\n\n\
                      Id=mariadb.service\nLoadState=loaded\nActiveState=failed\nActiveEnterTimestampMonotonic=5\n\n\
                      Id=mariadb.service\nLoadState=loaded\nActiveState=failed\nActiveEnterTimestampMonotonic=5\n\n\
                      Id=nginx.service\nLoadState=not-found\nActiveState=inactive\nActiveEnterTimestampMonotonic=0\n\n\
                      Id=ssh.service\nLoadState=masked\nActiveState=inactive\nActiveEnterTimestampMonotonic=0\n\n\
                      Id=other.service\nLoadState=loaded\nActiveState=active\nActiveEnterTimestampMonotonic=5\n\n\
                      broken\n";
        let tree = Tree::new();
        let found = services(&allowed(&tree.host), output, Duration::from_secs(3660));
        let row = |service: &Service| {
            let Service { name, display_name, status, uptime } = service;
            [name, display_name, status, uptime].map(String::clone)
        };
        let expected = [["cron", "Cron", "active", "1 h 0 min"], ["mariadb", "MariaDB", "failed", ""]];
        assert_eq!(found.iter().map(row).collect::<Vec<_>>(), expected.map(|row| row.map(str::to_owned)));
        assert!(services(&allowed(&tree.host), "", Duration::ZERO).is_empty());
    }

    #[test]
    fn without_systemd_there_is_nothing_to_list_or_to_act_on() {
        let tree = Tree::new();
        assert_eq!(list(&tree.host, soon()).unwrap(), json!({"services": []}));
        let table = [
            ("sshd-evil", Action::Restart, 422),
            ("php8.9-fpm", Action::Restart, 422),
            (AGENT, Action::Stop, 409),
            (AGENT, Action::Restart, 503),
            ("nginx", Action::Reload, 503),
        ];
        for (service, action, status) in table {
            let problem = super::action(&tree.host, service, action, soon()).unwrap_err();
            assert_eq!(problem.status(), status, "{service}: {}", problem.message());
        }
        let refusal = action(&tree.host, "systemd", Action::Stop, soon()).unwrap_err().message();
        assert!(refusal.contains("nginx") && refusal.contains("postfix"), "{refusal}");
    }
}
