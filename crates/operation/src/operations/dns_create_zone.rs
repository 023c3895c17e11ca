//! `/dns/create-zone`: creates a DNS zone with PowerDNS's own tool, so that any of its database backends works. An existing
//! zone is left unchanged, because it may have been edited.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, memfd_create};
use serde_json::{Value, json};

use crate::perform::{Context, Perform};
use crate::transaction::Transaction;
use opterius_base::clock::{Clock, SystemClock, Timestamp};
use opterius_base::deadline::Deadline;
use opterius_base::text::one_line;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::dns_create_zone::CreateZone;
use opterius_host::request::values::Domain;
use opterius_host::tool::{Output, Tool};

/// PowerDNS's configuration directory, by distribution.
const CONFIGURATION: [&str; 2] = ["/etc/powerdns", "/etc/pdns"];

impl Perform for CreateZone {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        Transaction::run(host, deadline, |_| create(host, self, deadline))
    }
}

fn create(host: &Host, request: &CreateZone, deadline: Deadline) -> Result<Value, Problem> {
    let server = PowerDns::new(host)?;
    let domain = &request.domain;
    if server.has_zone(domain, deadline)? {
        return Ok(json!({"domain": domain, "created": false}));
    }
    let zone = zone(request, SystemClock.wall());
    match server.load(domain, &zone, deadline).and_then(|()| server.check(domain, deadline)) {
        Ok(warnings) if warnings.is_empty() => Ok(json!({"domain": domain, "created": true})),
        Ok(warnings) => Ok(json!({"domain": domain, "created": true, "warnings": warnings})),
        Err(problem) => {
            server.undo(domain, deadline);
            Err(problem)
        }
    }
}

/// An installed and configured PowerDNS.
struct PowerDns {
    config: String,
}

impl PowerDns {
    fn new(host: &Host) -> Result<Self, Problem> {
        let directories = CONFIGURATION.iter().map(|path| host.path(path));
        let found = directories.into_iter().find(|directory| directory.join("pdns.conf").is_file());
        let config = found.ok_or_else(|| {
            Problem::Unavailable("PowerDNS is not installed on this server, so it cannot host DNS zones.".to_owned())
        })?;
        Ok(Self { config: config.display().to_string() })
    }

    fn tool(&self, command: &str, domain: &Domain) -> Result<Tool, Problem> {
        let tool = Tool::named("pdnsutil")?.arg(format!("--config-dir={}", self.config));
        Ok(tool.args([command, domain.as_str()]))
    }

    /// Whether the zone exists and is not empty. An empty zone was left by an interrupted operation.
    fn has_zone(&self, domain: &Domain, deadline: Deadline) -> Result<bool, Problem> {
        let output = self.tool("list-zone", domain)?.run(deadline)?;
        if output.is_success() {
            return Ok(output.stdout.lines().any(|line| !line.starts_with('$') && !line.trim().is_empty()));
        }
        if output.stderr.contains("not found") { Ok(false) } else { Err(unavailable(&output)) }
    }

    /// Creates the zone. PowerDNS adds all records in one transaction.
    fn load(&self, domain: &Domain, zone: &str, deadline: Deadline) -> Result<(), Problem> {
        // It requires a regular file; a memfd leaves nothing to clean up.
        let file = in_memory(zone).map_err(|error| Problem::failed("the zone file", error))?;
        self.tool("load-zone", domain)?.arg("/dev/stdin").descriptor(file).succeed(deadline).map(drop)
    }

    /// Checks the zone and returns warnings.
    fn check(&self, domain: &Domain, deadline: Deadline) -> Result<Vec<String>, Problem> {
        let output = self.tool("check-zone", domain)?.run(deadline)?;
        if output.is_success() {
            return Ok(Vec::new());
        }
        // The zone is valid and served, but the parent zone, which is also on this server, does not delegate to it.
        let (delegation, errors): (Vec<&str>, Vec<&str>) = output
            .stdout
            .lines()
            .filter(|line| line.contains("[Error]"))
            .partition(|line| line.contains("No delegation"));
        if delegation.is_empty() || !errors.is_empty() {
            return Err(Problem::failure(output.complaint()));
        }
        Ok(delegation.iter().map(|line| one_line(line.trim_start_matches("[Error]"), 200)).collect())
    }

    /// Deletes the zone. If that fails too, an empty zone stays, which the next attempt fills.
    fn undo(&self, domain: &Domain, deadline: Deadline) {
        let _ = self.tool("delete-zone", domain).and_then(|tool| tool.run(deadline));
    }
}

fn unavailable(output: &Output) -> Problem {
    Problem::Unavailable(format!("PowerDNS does not work on this server. {}", output.complaint()))
}

fn in_memory(text: &str) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create("zone", MemfdFlags::CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file.into())
}

/// The zone as a zone file (RFC 1035 §5).
fn zone(request: &CreateZone, now: Timestamp) -> String {
    let CreateZone { domain, server_ip, ns1, ns2 } = request;
    let (record, mechanism) = match server_ip {
        IpAddr::V4(_) => ("A", "ip4"),
        IpAddr::V6(_) => ("AAAA", "ip6"),
    };
    let soa = format!("{domain}. SOA {ns1}. hostmaster.{domain}. {} 10800 3600 604800 3600", serial(now));
    let servers = [ns1, ns2].into_iter().collect::<BTreeSet<_>>();
    let mail = format!("mail.{domain}");
    let mut addresses: BTreeSet<String> = [domain.to_string(), format!("www.{domain}"), mail.clone()].into();
    // The zone must give the address of name servers within it, because no other zone does.
    let is_within = |server: &&Domain| server.as_str().ends_with(&format!(".{domain}"));
    addresses.extend(servers.iter().copied().filter(is_within).map(Domain::to_string));

    let mut lines = vec!["$TTL 3600".to_owned(), soa];
    lines.extend(servers.iter().map(|server| format!("{domain}. NS {server}.")));
    lines.extend(addresses.iter().map(|name| format!("{name}. {record} {server_ip}")));
    lines.push(format!("{domain}. MX 10 {mail}."));
    lines.push(format!("{domain}. TXT \"v=spf1 a mx {mechanism}:{server_ip} ~all\""));
    lines.push(String::new());
    lines.join("\n")
}

/// The first serial of a day (RFC 1912 §2.2).
fn serial(now: Timestamp) -> String {
    let day: String = now.to_string().chars().take_while(|sign| *sign != 'T').filter(char::is_ascii_digit).collect();
    format!("{day}01")
}

#[cfg(test)]
#[path = "dns_create_zone_tests.rs"]
mod tests;
