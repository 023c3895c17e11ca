//! `operation adopt`: takes in the accounts of today's hosts, where nobody has put users into our group yet.
//!
//! An account is an ordinary user whose home is `/home/<name>` and who has an enabled site below it. Nothing of theirs is
//! changed but the membership; what is known of their sites is published.

use std::collections::BTreeMap;

use crate::transaction::Transaction;
use crate::users::user;
use crate::web::apply;
use crate::web::certificate::current;
use crate::web::site::{Found, Site};
use opterius_base::clock::{Clock, SystemClock};
use opterius_base::deadline::Deadline;
use opterius_base::files::{self, FileMode};
use opterius_host::host::Host;
use opterius_host::layout::ACCOUNTS_GROUP;
use opterius_host::layout::AGENT_GROUP;
use opterius_host::problem::Problem;
use opterius_host::request::values::{Domain, Username};
use opterius_host::sites::site_record::{self, SiteRecord};
use opterius_host::sites::unmanaged_sites::{UnmanagedSite, candidates, enabled_sites};
use opterius_host::users::account::{self, Account};
use opterius_host::users::register::Register;

/// Takes in what is there and publishes what is known of every site; returns the accounts that were taken in now.
///
/// # Errors
/// The register, a group or a file cannot be read or changed.
pub fn adopt(host: &Host, deadline: Deadline) -> Result<Vec<Username>, Problem> {
    Transaction::run(host, deadline, |_| {
        let register = Register::read(host)?;
        let sites = enabled_sites(host);
        let mut adopted = Vec::new();
        for username in candidates(&register, &sites) {
            if !register.accounts().iter().any(|name| name == username.as_str()) {
                user::join(host, &username, &Register::read(host)?, deadline)?;
                note(host, &username, &register)?;
                adopted.push(username);
            }
        }
        publish(host, &sites, deadline)?;
        Ok(adopted)
    })
}

/// Writes down since when an account is ours, unless that is known.
fn note(host: &Host, username: &Username, register: &Register) -> Result<(), Problem> {
    let account = Account::read(host, username)?;
    let account = Account { created_at: account.created_at.or_else(|| Some(SystemClock.wall())), ..account };
    let path = account::path(host, username);
    let rights = FileMode { mode: 0o640, group: register.group(AGENT_GROUP).map(|group| group.gid) };
    files::replace(&path, &account.to_bytes(), rights).map_err(|error| Problem::at(&path, error))
}

/// Publishes what is known of every site of an account, ours and others'.
fn publish(host: &Host, sites: &BTreeMap<Domain, UnmanagedSite>, deadline: Deadline) -> Result<(), Problem> {
    let register = Register::read(host)?;
    let group = register.group(ACCOUNTS_GROUP).map(|group| group.members.clone()).unwrap_or_default();
    for (domain, unmanaged_sites) in sites {
        let known = site_record::read(host, domain);
        let record = match Site::look(host, domain)? {
            Found::Ours(site) => Some(apply::record(host, &site, deadline)?),
            // Its own file is set aside while the account is suspended.
            _ if known.as_ref().is_some_and(|record| record.suspended) => known,
            _ => {
                let owner = group.iter().find(|name| unmanaged_sites.is_below(&format!("/home/{name}")));
                let username = owner.and_then(|name| Username::parse("username", name).ok());
                username.map(|username| foreign_facts(host, domain, username, unmanaged_sites, deadline))
            }
        };
        if let Some(record) = record {
            site_record::publish(host, &record, &register)?;
        }
    }
    Ok(())
}

fn foreign_facts(
    host: &Host,
    domain: &Domain,
    username: Username,
    site: &UnmanagedSite,
    deadline: Deadline,
) -> SiteRecord {
    let found = current::find(host, domain);
    let home = format!("/home/{username}");
    SiteRecord {
        names: site.names.clone(),
        document_root: site.roots.iter().find(|root| root.starts_with(&home)).cloned().unwrap_or(home),
        // One that cannot be read is none that could be told of.
        certificate: found.and_then(|found| current::describe(&found, deadline).ok()),
        ..SiteRecord::new(domain.clone(), username)
    }
}
