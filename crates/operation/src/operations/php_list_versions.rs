//! `/php/list-versions`: lists the installed PHP versions, and those that can be installed.

use serde::Serialize;
use serde_json::{Value, json};

use crate::perform::{Context, Perform};
use crate::servers::php::versions;
use crate::systemctl;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::lines;
use opterius_host::problem::Problem;
use opterius_host::processes;
use opterius_host::request::php_list_versions::ListPhpVersions;
use opterius_host::request::values::PhpVersion;

/// Versions that package repositories provide, installed or not.
const KNOWN: [&str; 6] = ["7.4", "8.0", "8.1", "8.2", "8.3", "8.4"];

#[derive(Serialize)]
struct Version<'a> {
    version: &'a str,
    installed: bool,
    active: bool,
}

impl Perform for ListPhpVersions {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let installed = versions::installed(host);
        let running = if host.has_systemd() { running_units(&installed, deadline)? } else { running(host, &installed) };
        let is_in = |versions: &[PhpVersion], version: &str| versions.iter().any(|known| known.as_str() == version);
        let mut all: Vec<&str> = KNOWN.into_iter().chain(installed.iter().map(PhpVersion::as_str)).collect();
        all.sort_by_key(|version| sort_key(version));
        all.dedup();
        let rows: Vec<Version<'_>> = all
            .into_iter()
            .map(|version| Version { version, installed: is_in(&installed, version), active: is_in(&running, version) })
            .collect();
        Ok(json!({"versions": rows}))
    }
}

fn running_units(versions: &[PhpVersion], deadline: Deadline) -> Result<Vec<PhpVersion>, Problem> {
    if versions.is_empty() {
        return Ok(Vec::new());
    }
    // It fails if any of them does not run; its output has the state of each.
    let arguments = ["is-active".to_owned()].into_iter().chain(versions.iter().map(versions::service));
    let output = systemctl::run(arguments, deadline)?;
    let states = output.stdout.lines();
    Ok(versions
        .iter()
        .zip(states)
        .filter(|(_, state)| *state == "active")
        .map(|(version, _)| version.clone())
        .collect())
}

/// The versions whose main process is running, according to its pid file.
fn running(host: &Host, versions: &[PhpVersion]) -> Vec<PhpVersion> {
    let is_running = |version: &&PhpVersion| {
        let path = host.path(&format!("/run/php/{}.pid", versions::service(version)));
        let pid = lines::read(&path).ok().and_then(|bytes| lines::number(&bytes));
        // Another process may have reused the pid.
        pid.is_some_and(|pid| processes::name(pid) == format!("php-fpm{version}"))
    };
    versions.iter().filter(is_running).cloned().collect()
}

/// Sort key of a version: 8.10 comes after 8.9.
fn sort_key(version: &str) -> (u32, u32) {
    let number = |part: &str| part.parse().unwrap_or(0);
    version.split_once('.').map_or((0, 0), |(major, minor)| (number(major), number(minor)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    fn listed(tree: &Tree) -> Vec<(String, bool, bool)> {
        let answer = tree.perform(&ListPhpVersions {}).unwrap();
        let row = |version: &Value| {
            let flag = |name: &str| version[name].as_bool().unwrap();
            (version["version"].as_str().unwrap().to_owned(), flag("installed"), flag("active"))
        };
        answer["versions"].as_array().unwrap().iter().map(row).collect()
    }

    #[test]
    fn a_version_is_installed_if_its_fpm_is_configured_and_executable() {
        let tree = Tree::new();
        let known: Vec<_> = KNOWN.iter().map(|version| ((*version).to_owned(), false, false)).collect();
        assert_eq!(listed(&tree), known);
        // Not a program on this machine, not a directory, not a version.
        tree.directory("/etc/php/99.9/fpm/pool.d");
        tree.write("/etc/php/8.3/fpm", "");
        tree.directory("/etc/php/current/fpm/pool.d");
        assert_eq!(listed(&tree), known);
        // Package php-fpm.
        let version = KNOWN.iter().find(|version| Host::tool(&format!("php-fpm{version}")).is_some()).unwrap();
        tree.directory(&format!("/etc/php/{version}/fpm/pool.d"));
        // The pid of another program.
        tree.write(&format!("/run/php/php{version}-fpm.pid"), std::process::id().to_string());
        let expected: Vec<_> = KNOWN.iter().map(|known| ((*known).to_owned(), known == version, false)).collect();
        assert_eq!(listed(&tree), expected);
    }

    #[test]
    fn versions_are_ordered_by_number() {
        let mut versions = ["8.10", "7.4", "8.9", "10.0"];
        versions.sort_by_key(|version| sort_key(version));
        assert_eq!(versions, ["7.4", "8.9", "8.10", "10.0"]);
    }
}
