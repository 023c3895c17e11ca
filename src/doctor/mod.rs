//! `doctor`: walks the way of the README through everything that can be wrong with a license, and says of each thing what
//! was seen and what mends it. It changes nothing, neither here nor in what the daemon knows.

pub mod answer;
pub mod cache;
pub mod case;
pub mod configuration;
pub mod connection;
pub mod daemon;
pub mod disk;
pub mod finding;
pub mod firewall;
pub mod journal;
pub mod names;
pub mod nginx;
pub mod operations;
pub mod reach;
pub mod report;
pub mod service;
pub mod surroundings;
pub mod time;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::cli::inquiry;
use crate::config::Configuration;
use crate::daemon as running;
use crate::doctor::case::Case;
use crate::doctor::finding::{Finding, Verdict};
use crate::doctor::reach::Person;
use crate::doctor::surroundings::{Machine, Surroundings};
use crate::license::client;
use crate::license::state::Host as Identity;
use opterius_daemon::EXIT_FAILURE;
use opterius_daemon::output::say;

/// The names of all checks, in the order in which they are made: what must be there first, then the way to the license
/// server, then what the machine gives. Those that do not apply are left out.
pub const CHECKS: [&str; 30] = [
    "configuration",
    "permissions",
    "secret",
    "unknown keys",
    "license key",
    "unit",
    "service",
    "port",
    "daemon",
    "license",
    "cache",
    "cache readers",
    "cache writer",
    "operations",
    "accounts",
    "nginx",
    "renewals",
    "address",
    "hosts file",
    "name",
    "firewall",
    "connection",
    "TLS",
    "license server",
    "clock",
    "time sync",
    "syslog",
    "journal",
    "disk space",
    "inodes",
];

/// Where the daemon listens unless agent.conf says otherwise.
const DEFAULT_ADDRESS: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 7443);

/// Looks at everything and prints what was found; returns the exit code.
pub fn run(config: &Path, json: bool) -> u8 {
    let machine = Machine::new();
    let findings = examine(&machine.surroundings(config), &running::host());
    say(&if json { report::json(&findings) } else { report::text(&findings) });
    if findings.iter().any(|finding| finding.verdict == Verdict::Fail) { EXIT_FAILURE } else { 0 }
}

/// Every check that applies.
pub fn examine(around: &Surroundings<'_>, identity: &Identity) -> Vec<Finding> {
    let case = Case::of(around);
    let address = case.configuration().map_or_else(|| DEFAULT_ADDRESS.into(), inquiry::address);
    let agent = case.agent(case.holder(address).as_ref());

    let mut findings = vec![configuration::lines(&case)];
    findings.extend(configuration::permissions(&case, &agent));
    if let Some(configuration) = case.configuration() {
        findings.push(configuration::secret(configuration));
        findings.extend(configuration::keys(&case));
        findings.push(configuration::license_key(&case, configuration));
    }
    findings.extend(service::checks(around, case.service.as_ref()));
    findings.extend(of_daemon(&case, address, &agent));
    if let Some(configuration) = case.configuration() {
        findings.extend(cache::contents(&case, configuration, &identity.server_id));
        findings.extend(cache::readers(&case, configuration));
        findings.extend(cache::writer(&case, configuration, &agent));
        findings.extend(of_host(&case, configuration, &agent));
        findings.extend(of_license_server(&case, configuration, identity));
    }
    findings.push(time::synchronized(&case));
    findings.extend(case.configuration().map(|configuration| journal::socket(&case, configuration)));
    findings.extend(journal::line(&case));
    findings.extend(disk::rooms(around, &directories(&case)));
    findings
}

fn of_daemon(case: &Case<'_>, address: SocketAddr, agent: &Person) -> Vec<Finding> {
    let port = daemon::port(case, address, agent);
    if address.port() == 0 {
        return vec![port];
    }
    let answers = daemon::answers(case, address);
    [Some(port), Some(answers), daemon::standing(case, address)].into_iter().flatten().collect()
}

fn of_host(case: &Case<'_>, configuration: &Configuration, agent: &Person) -> Vec<Finding> {
    let host = configuration.host(&case.around.config);
    let mut findings = vec![operations::reachable(case, configuration, agent), operations::accounts(case, &host)];
    findings.extend(nginx::descriptors(case, &host));
    findings.push(operations::renewals(case, &host));
    findings
}

/// The way to the license server, step by step: what comes after a step that fails would only fail again.
fn of_license_server(case: &Case<'_>, configuration: &Configuration, identity: &Identity) -> Vec<Finding> {
    let settings = &configuration.license;
    let (source, seen) = case.around.outside.addresses(settings);
    let mut findings = vec![answer::address(settings.server_ip, source, seen, settings.server.is_loopback())];
    if settings.server.host().parse::<IpAddr>().is_err() && !settings.server.is_loopback() {
        findings.push(names::hosts_file(case, settings.server.host()));
    }
    let hop = match client::first_hop(settings) {
        Ok(hop) => hop,
        Err(sentence) => {
            findings.push(Finding::fail("name", sentence, "correct proxy=… in agent.conf"));
            return findings;
        }
    };
    let (name, addresses) = names::resolution(case, &hop);
    findings.push(name);
    if addresses.is_empty() {
        return findings;
    }
    let fate = firewall::fate(case, &addresses);
    findings.push(firewall::judge(case, &fate, hop.port));
    let (tcp, stream) = connection::tcp(case, &hop, &addresses, &fate);
    findings.push(tcp);
    let Some(stream) = stream else { return findings };
    // Through a proxy TLS begins behind it; the answer tells of it.
    if !settings.server.is_plain() && !hop.is_proxy {
        let tls = connection::tls(case, settings, stream);
        let failed = tls.verdict == Verdict::Fail;
        findings.push(tls);
        if failed {
            return findings;
        }
    }
    if let Some(key) = &settings.key {
        findings.extend(answer::dry_run(case, configuration, key, identity, seen));
    }
    findings
}

/// Where the Agent and the accounts need room.
fn directories(case: &Case<'_>) -> Vec<PathBuf> {
    let host = case.configuration().map(|configuration| configuration.host(&case.around.config));
    let below = |path: &str| host.as_ref().map_or_else(|| case.around.path(path), |host| host.path(path));
    let cache = case.configuration().and_then(|configuration| configuration.license.cache.parent());
    let cache = cache.map_or_else(|| case.around.path("/etc/opterius"), Path::to_owned);
    vec![cache, below("/var/lib/opterius"), below("/home")]
}

#[cfg(test)]
#[path = "doctor_tests.rs"]
mod tests;
