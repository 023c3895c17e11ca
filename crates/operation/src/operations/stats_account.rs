//! `/stats/account`: reports an account's disk usage, inodes, and this month's traffic of its sites.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::databases::account as databases;
use crate::measure::bandwidth::{self, Traffic};
use crate::measure::usage;
use crate::perform::{Context, Perform};
use crate::web::published_sites;
use opterius_base::clock::{Clock, SystemClock, Timestamp};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::measure::units::megabytes;
use opterius_host::problem::Problem;
use opterius_host::request::stats_account::AccountStats;
use opterius_host::request::values::Domain;
use opterius_host::users::register::Register;

/// Time limit for measuring.
const LIMIT: Duration = Duration::from_secs(20);

/// Mailboxes, one directory per domain.
const MAIL: &str = "/var/mail/vdomains";

impl Perform for AccountStats {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let request = self;
        let deadline = deadline.sooner(LIMIT);
        Register::read(host)?.account(&request.username)?;
        let asked: BTreeSet<&str> = request.domains.iter().map(String::as_str).collect();
        let own = |name: &str| {
            let domain = Domain::parse("domains", name).ok()?;
            let owner = published_sites::owner(host, &domain).ok().flatten()?;
            (owner == request.username).then_some(domain)
        };
        let asked: BTreeMap<&str, Option<Domain>> = asked.into_iter().map(|name| (name, own(name))).collect();
        // The Panel may name one domain in two ways; it counts once.
        let own: BTreeSet<&Domain> = asked.values().flatten().collect();

        let home = usage::measure(&host.path("/home"), request.username.as_str(), deadline)?;
        let mail = sizes(host, MAIL, own.iter().map(|domain| domain.as_str()), deadline)?;
        // Those of the register: the Panel's list can name databases of other accounts.
        let (databases, warnings) = databases::size(host, &request.username, deadline)?;
        let traffic = traffic(host, &own, SystemClock.wall(), deadline)?;
        let total = traffic.values().fold(0_u64, |sum, site| sum.saturating_add(site.bytes));
        Ok(json!({"stats": {
            "disk_usage": {
                "total_mb": megabytes(home.bytes.saturating_add(mail)),
                "home_mb": megabytes(home.bytes),
                "email_mb": megabytes(mail),
            },
            "bandwidth": {"total_mb": megabytes(total), "domains": by_name(&asked, &traffic)},
            "database_size_mb": megabytes(databases),
            "inode_count": home.inodes,
        }, "warnings": warnings}))
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
    own: &BTreeSet<&'a Domain>,
    now: Timestamp,
    deadline: Deadline,
) -> Result<BTreeMap<&'a Domain, Traffic>, Problem> {
    own.iter().map(|domain| Ok((*domain, bandwidth::measure(host, domain, now, deadline)?))).collect()
}

/// One member for each name of the request, because the Panel looks for the names that it has sent.
fn by_name(asked: &BTreeMap<&str, Option<Domain>>, traffic: &BTreeMap<&Domain, Traffic>) -> Map<String, Value> {
    let member = |(name, domain): (&&str, &Option<Domain>)| {
        let found = domain.as_ref().and_then(|domain| traffic.get(domain));
        let (requests, bytes) = found.map_or((0, 0), |traffic| (traffic.requests, traffic.bytes));
        ((*name).to_owned(), json!({"request_count": requests, "bytes_mb": megabytes(bytes)}))
    };
    asked.iter().map(member).collect()
}

#[cfg(test)]
#[path = "stats_account_tests.rs"]
mod tests;
