//! `operation adopt`: adopts existing accounts on hosts that were set up without this Agent.
//!
//! A user is adopted if it is a regular user whose home is `/home/<name>` with an enabled site below it. Adopting only adds
//! the user to the group of accounts, and publishes records of its sites.

use std::collections::BTreeMap;

use log::warn;

use crate::servers::sshd;
use crate::transaction::Transaction;
use crate::users::user;
use crate::web::certificate::current;
use crate::web::site::{Site, SiteFile};
use crate::web::{apply, pools, published_sites};
use opterius_base::clock::{Clock, SystemClock};
use opterius_base::deadline::Deadline;
use opterius_base::files::{self, FileMode};
use opterius_host::host::Host;
use opterius_host::layout::ACCOUNTS_GROUP;
use opterius_host::layout::{AGENT_GROUP, SFTP_GROUP};
use opterius_host::problem::Problem;
use opterius_host::request::values::{Domain, Username};
use opterius_host::sites::site_record::{self, SiteRecord};
use opterius_host::sites::unmanaged_sites::{UnmanagedSite, candidates, enabled_sites};
use opterius_host::users::account::{self, Account};
use opterius_host::users::register::Register;

/// Adopts existing accounts and publishes records of all sites; returns the newly adopted accounts.
///
/// # Errors
/// The users, a group or a file cannot be read or changed.
pub fn adopt(host: &Host, deadline: Deadline) -> Result<Vec<Username>, Problem> {
    Transaction::run(host, deadline, |transaction| {
        let register = Register::read(host)?;
        let sites = enabled_sites(host);
        let mut adopted = Vec::new();
        for username in candidates(&register, &sites) {
            if !register.accounts().iter().any(|name| name == username.as_str()) {
                user::join(host, &username, &Register::read(host)?, deadline)?;
                write_record(host, &username, &register)?;
                adopted.push(username);
            }
        }
        publish(host, &sites, deadline)?;
        let to_move = pools::to_move(host)?;
        if to_move.is_empty() {
            pools::sweep(transaction, &[], deadline)?;
        } else {
            apply::apply(transaction, &to_move, deadline)?;
        }
        let confined = register.group(SFTP_GROUP).and_then(|group| group.members.first());
        let warnings = confined.map(|username| sshd::ensure(transaction, username, deadline)).transpose()?;
        warnings.into_iter().flatten().for_each(|warning| warn!("{warning}"));
        Ok(adopted)
    })
}

/// Writes the record of an account, with the current time as creation time if there is none.
fn write_record(host: &Host, username: &Username, register: &Register) -> Result<(), Problem> {
    let account = Account::read(host, username)?;
    let account = Account { created_at: account.created_at.or_else(|| Some(SystemClock.wall())), ..account };
    let path = account::path(host, username);
    let mode = FileMode { mode: 0o640, group: register.group(AGENT_GROUP).map(|group| group.gid) };
    files::replace(&path, &account.to_bytes(), mode).map_err(|error| Problem::at(&path, error))
}

/// Publishes records of all sites of accounts, managed or not.
fn publish(host: &Host, sites: &BTreeMap<Domain, UnmanagedSite>, deadline: Deadline) -> Result<(), Problem> {
    published_sites::repair(host, deadline)?;
    let register = Register::read(host)?;
    let group = register.group(ACCOUNTS_GROUP).map(|group| group.members.clone()).unwrap_or_default();
    for (domain, unmanaged_sites) in sites {
        let known = site_record::read(host, domain).ok().flatten();
        let record = match Site::read(host, domain)? {
            SiteFile::Managed(_) => None,
            // While the account is suspended, the enabled file is not the site's own.
            _ if known.as_ref().is_some_and(|record| record.suspended) => known,
            _ => {
                let owner = group.iter().find(|name| unmanaged_sites.is_below(&format!("/home/{name}")));
                let username = owner.and_then(|name| Username::parse("username", name).ok());
                username.map(|username| unmanaged_record(host, domain, username, unmanaged_sites, deadline))
            }
        };
        if let Some(record) = record {
            site_record::publish(host, &record, &register)?;
        }
    }
    Ok(())
}

fn unmanaged_record(
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
        // Treat an unreadable certificate like a missing one.
        certificate: found.and_then(|found| current::describe(host, &found, deadline).ok()),
        ..SiteRecord::new(domain.clone(), username)
    }
}
