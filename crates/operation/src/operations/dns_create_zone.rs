//! `/dns/create-zone`: creates a DNS zone for the account that has the domain. An existing zone is left unchanged, because it
//! may have been edited.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Value, json};

use crate::dns::owner;
use crate::perform::{Context, Perform};
use crate::servers::powerdns::PowerDns;
use crate::transaction::Transaction;
use opterius_base::clock::{Clock, SystemClock, Timestamp};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::dns_create_zone::CreateZone;
use opterius_host::request::values::Domain;

impl Perform for CreateZone {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        Transaction::run(host, deadline, |_| create(host, self, deadline))
    }
}

fn create(host: &Host, request: &CreateZone, deadline: Deadline) -> Result<Value, Problem> {
    let server = PowerDns::new(host)?;
    let domain = &request.domain;
    let owner = owner::of_domain(host, domain)?;
    match server.zone(domain, deadline)? {
        None => server.create(domain, &owner, deadline)?,
        Some(zone) if zone.account.is_empty() => {
            let warnings = [owner::unowned(domain, Some(&owner)).message()];
            return Ok(json!({"domain": domain, "created": false, "warnings": warnings}));
        }
        Some(zone) if zone.account != owner.as_str() => return Err(owner::of_other(domain, &zone.account)),
        Some(zone) if !zone.is_empty => return Ok(json!({"domain": domain, "created": false})),
        // An interrupted operation left an empty one.
        Some(_) => {}
    }
    let zone = zone(request, SystemClock.wall());
    let loaded = server.load(domain, &zone, deadline).and_then(|()| server.check(domain, deadline));
    server.rediscover(domain);
    match loaded {
        Ok(warnings) if warnings.is_empty() => Ok(json!({"domain": domain, "created": true})),
        Ok(warnings) => Ok(json!({"domain": domain, "created": true, "warnings": warnings})),
        Err(problem) => {
            // If that fails too, an empty zone stays, which the next attempt fills.
            let _ = server.delete(domain, deadline);
            Err(problem)
        }
    }
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
