//! `/services/list`: lists the allowed services that are installed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::perform::{Context, Perform};
use crate::system::services::{Unit, allowed, show, units};
use opterius_base::clock::{Clock, SystemClock};
use opterius_base::deadline::Deadline;
use opterius_base::text::duration;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::services_list::ListServices;

impl Perform for ListServices {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let services = if host.has_systemd() { listed(host, deadline)? } else { Vec::new() };
        Ok(json!({"services": services}))
    }
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Service {
    name: String,
    display_name: String,
    /// systemd's state: active, inactive, failed, activating …
    status: String,
    /// How long it has been active, in words; empty if it is not active.
    uptime: String,
}

fn listed(host: &Host, deadline: Deadline) -> Result<Vec<Service>, Problem> {
    let allowed = allowed(host);
    let names: Vec<&str> = allowed.keys().map(String::as_str).collect();
    Ok(services(&allowed, &show(&names, deadline)?, SystemClock.boot()))
}

/// The services in systemctl's output. An alias (`mysql` is often one of `mariadb`) is listed once, by its real name.
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
    use crate::testing::Tree;

    #[test]
    fn installed_services_are_listed_once_with_their_state() {
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
    fn without_systemd_the_list_is_empty() {
        assert_eq!(Tree::new().perform(&ListServices {}).unwrap(), json!({"services": []}));
    }
}
