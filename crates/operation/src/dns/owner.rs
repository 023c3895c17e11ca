//! Whose a zone is: the account of the site with its domain or alias, or with the nearest domain above.

use std::time::Duration;

use crate::servers::powerdns::PowerDns;
use crate::web::site::{Site, SiteFile, Sites};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::{Domain, Username};
use opterius_host::sites::site_record;
use opterius_host::users::register::Register;

/// Time limit for deleting the zones of an account: a database that does not answer must not use up the time of the rest.
const DELETION_TIME: Duration = Duration::from_secs(20);

/// The account whose zone a domain's is.
///
/// # Errors
/// No account has a site or an alias with this domain, or with one above it.
pub fn of_domain(host: &Host, domain: &Domain) -> Result<Username, Problem> {
    let mut name = domain.as_str();
    let sites = Sites::read(host)?.sites;
    while let Ok(domain) = Domain::parse("domain", name) {
        let of_alias = || sites.iter().find(|site| site.aliases.contains(&domain)).map(|site| site.username.clone());
        if let Some(owner) = of_site(host, &domain).or_else(of_alias) {
            Register::read(host)?.account(&owner)?;
            return Ok(owner);
        }
        name = name.split_once('.').map_or("", |(_, above)| above);
    }
    Err(Problem::NotFound(format!("No account on this server has a site “{domain}”. Create the site first.")))
}

/// Whether this server has a site with this domain.
pub fn has_site(host: &Host, domain: &Domain) -> bool {
    of_site(host, domain).is_some()
}

fn of_site(host: &Host, domain: &Domain) -> Option<Username> {
    match Site::read(host, domain) {
        Ok(SiteFile::Managed(site)) => Some(site.username),
        _ => site_record::read(host, domain).ok().flatten().map(|record| record.username),
    }
}

/// Checks that a zone exists and may be read and changed for its domain's account.
///
/// # Errors
/// It does not exist, has no owner or another one, or its owner is no account.
pub fn check(host: &Host, server: &PowerDns, domain: &Domain, deadline: Deadline) -> Result<(), Problem> {
    let zone = server.zone(domain, deadline)?;
    let zone = zone.ok_or_else(|| Problem::NotFound(format!("This server has no DNS zone “{domain}”.")))?;
    if zone.account.is_empty() {
        return Err(unowned(domain, of_domain(host, domain).ok().as_ref()));
    }
    let owner = Username::parse("account", &zone.account).ok();
    let is_account =
        owner.as_ref().is_some_and(|owner| Register::read(host).is_ok_and(|register| register.account(owner).is_ok()));
    let is_of_other = of_domain(host, domain).is_ok_and(|account| Some(account) != owner);
    if !is_account || is_of_other {
        return Err(of_other(domain, &zone.account));
    }
    Ok(())
}

/// The error for a zone that the Agent did not make.
pub fn unowned(domain: &Domain, account: Option<&Username>) -> Problem {
    let account = account.map_or("USERNAME", Username::as_str);
    Problem::Conflict(format!(
        "The DNS zone “{domain}” belongs to no account, so the Agent does not change it. To hand it over, run: pdnsutil \
         set-account {domain} {account}"
    ))
}

/// The error for a zone of another account.
pub fn of_other(domain: &Domain, account: &str) -> Problem {
    Problem::Conflict(format!(
        "The DNS zone “{domain}” belongs to “{account}” and not to the account of this domain. If it is no longer needed, \
         run: pdnsutil delete-zone {domain}"
    ))
}

/// Gives the zones that earlier versions of the Agent made to the accounts of their domains: those versions wrote no owner.
/// Zones of others stay as they are. Returns a sentence for each that it gave, and one for a PowerDNS that does not work.
pub fn adopt_zones(host: &Host, deadline: Deadline) -> Vec<String> {
    let Some(server) = PowerDns::find(host) else { return Vec::new() };
    let zones = match server.unowned(deadline) {
        Ok(zones) => zones,
        Err(problem) => return vec![format!("Zones without an owner were not looked for: {}", problem.message())],
    };
    let ours = zones.into_iter().filter(|(zone, soa)| is_ours(zone, soa));
    let owned = ours.filter_map(|(zone, _)| Some((of_domain(host, &zone).ok()?, zone)));
    owned
        .map(|(owner, zone)| match server.set_account(&zone, &owner, deadline) {
            Ok(()) => format!("The DNS zone “{zone}” now belongs to “{owner}”."),
            Err(problem) => format!("The DNS zone “{zone}” was not given to “{owner}”: {}", problem.message()),
        })
        .collect()
}

/// Whether a zone's SOA record is one that the Agent writes, with a serial that starts with a date.
fn is_ours(zone: &Domain, soa: &str) -> bool {
    let mail = format!("hostmaster.{zone}");
    let fields: Vec<&str> = soa.split_ascii_whitespace().collect();
    let [_, contact, serial, "10800", "3600", "604800", "3600"] = fields.as_slice() else { return false };
    contact.trim_end_matches('.') == mail && serial.len() == 10 && serial.starts_with("20")
}

/// Deletes the zones of an account. Returns a warning instead of failing: a name server that does not work must not keep an
/// account alive.
pub fn delete_zones(host: &Host, account: &Username, deadline: Deadline) -> Vec<String> {
    let Some(server) = PowerDns::find(host) else { return Vec::new() };
    let deadline = deadline.sooner(DELETION_TIME);
    let remedy = |problem: &Problem| {
        format!(
            "DNS zones of “{account}” may be left: {} Find them with pdnsutil list-all-zones, and delete them with pdnsutil \
             delete-zone.",
            problem.message()
        )
    };
    match server.zones_of(account, deadline) {
        Ok(zones) => zones
            .iter()
            .filter_map(|zone| server.delete(zone, deadline).err())
            .map(|problem| remedy(&problem))
            .collect(),
        Err(problem) => vec![remedy(&problem)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Tree, named};
    use opterius_host::sites::mark::MARK;

    #[test]
    fn a_zone_of_an_alias_belongs_to_the_account_of_its_site() {
        let tree = Tree::new();
        tree.account(&["example.com"]);
        let site = r#"{"domain":"example.com","username":"alice","document_root":"x","php_version":"8.2",
            "parent_domain":null,"created_at":"2026-05-01T12:00:00Z","aliases":["alias.example"]}"#;
        tree.write("/etc/nginx/sites-available/example.com.conf", format!("{MARK}{}\n", site.replace('\n', "")));
        let owner = |name: &str| of_domain(&tree.host, &named(name)).ok().map(|owner| owner.to_string());
        for name in ["alias.example", "www.alias.example", "example.com", "a.example.com"] {
            assert_eq!(owner(name).as_deref(), Some("alice"), "{name}");
        }
        assert_eq!(owner("other.example"), None);
    }
}
