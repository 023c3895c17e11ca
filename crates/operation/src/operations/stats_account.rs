//! `/stats/account`: reports an account's disk usage, inodes, and this month's traffic of its sites.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::measure::bandwidth::{self, Traffic};
use crate::measure::usage;
use crate::perform::{Context, Perform};
use opterius_base::clock::{Clock, SystemClock, Timestamp};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::measure::units::megabytes;
use opterius_host::problem::Problem;
use opterius_host::request::stats_account::AccountStats;
use opterius_host::request::values::Domain;
use opterius_host::sites::site_record;
use opterius_host::users::register::Register;

/// Time limit for measuring.
const LIMIT: Duration = Duration::from_secs(20);

/// Mailboxes, one directory per domain.
const MAIL: &str = "/var/mail/vdomains";

/// MariaDB's databases, one directory per database.
const DATABASES: &str = "/var/lib/mysql";

impl Perform for AccountStats {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let request = self;
        let deadline = deadline.sooner(LIMIT);
        Register::read(host)?.account(&request.username)?;
        let own = |domain: &&Domain| {
            site_record::read(host, domain).is_some_and(|record| record.username == request.username)
        };
        let domains: BTreeSet<&Domain> = request.domains.iter().collect();
        let own: BTreeSet<&Domain> = domains.iter().copied().filter(own).collect();

        let home = usage::measure(&host.path("/home"), request.username.as_str(), deadline)?;
        let mail = sizes(host, MAIL, own.iter().map(|domain| domain.as_str()), deadline)?;
        let databases: BTreeSet<&str> = request.databases.iter().map(String::as_str).collect();
        let databases = sizes(host, DATABASES, databases.into_iter(), deadline)?;
        let sites = traffic(host, &domains, &own, SystemClock.wall(), deadline)?;
        let total = sites.iter().fold(0_u64, |sum, (_, site)| sum.saturating_add(site.bytes));
        Ok(json!({"stats": {
            "disk_usage": {
                "total_mb": megabytes(home.bytes.saturating_add(mail)),
                "home_mb": megabytes(home.bytes),
                "email_mb": megabytes(mail),
            },
            "bandwidth": {"total_mb": megabytes(total), "domains": by_domain(&sites)},
            "database_size_mb": megabytes(databases),
            "inode_count": home.inodes,
        }}))
    }
}

/// The total size of directories in a trusted parent. Missing directories use nothing.
fn sizes<'a>(
    host: &Host,
    parent: &str,
    names: impl Iterator<Item = &'a str>,
    deadline: Deadline,
) -> Result<u64, Problem> {
    let parent = host.path(parent);
    if !parent.is_dir() {
        return Ok(0);
    }
    names
        .map(|name| usage::measure(&parent, name, deadline))
        .try_fold(0_u64, |sum, usage| Ok(sum.saturating_add(usage?.bytes)))
}

fn traffic<'a>(
    host: &Host,
    domains: &BTreeSet<&'a Domain>,
    own: &BTreeSet<&Domain>,
    now: Timestamp,
    deadline: Deadline,
) -> Result<Vec<(&'a Domain, Traffic)>, Problem> {
    let site = |domain: &'a Domain| {
        let traffic =
            if own.contains(domain) { bandwidth::measure(host, domain, now, deadline)? } else { Traffic::default() };
        Ok((domain, traffic))
    };
    domains.iter().copied().map(site).collect()
}

fn by_domain(sites: &[(&Domain, Traffic)]) -> Map<String, Value> {
    let member = |(domain, traffic): &(&Domain, Traffic)| {
        let value = json!({"request_count": traffic.requests, "bytes_mb": megabytes(traffic.bytes)});
        (domain.to_string(), value)
    };
    sites.iter().map(member).collect()
}

#[cfg(test)]
#[path = "stats_account_tests.rs"]
mod tests;
