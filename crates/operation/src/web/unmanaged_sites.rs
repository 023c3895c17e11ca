//! Sites whose files the Agent did not create. It never changes such a file: suspending an account enables another file in
//! its place, and unsuspending enables it again; only deleting the account deletes it.

use std::fs;
use std::path::PathBuf;

use crate::servers::nginx;
use crate::servers::nginx::effect::{Expected, ExpectedAnswer};
use crate::transaction::{Ownership, Transaction};
use crate::web::foreign_pools;
use opterius_base::deadline::Deadline;
use opterius_base::files::FileMode;
use opterius_host::host::Host;
use opterius_host::layout::SUSPENDED;
use opterius_host::problem::Problem;
use opterius_host::request::values::{Domain, Username};
use opterius_host::sites::site_record::{self, SiteRecord};
use opterius_host::users::register::{Register, User};

/// Makes each of the account's unmanaged sites answer 503, and disables its pools.
///
/// # Errors
/// A file cannot be changed.
pub fn suspend(transaction: &mut Transaction<'_>, user: &User, deadline: Deadline) -> Result<Vec<String>, Problem> {
    let host = transaction.host();
    let mut warnings = Vec::new();
    for record in unmanaged_records(host, user) {
        let Some(link) = nginx::place(host, &format!("{}.conf", record.domain)).link else {
            warnings.push(format!(
                "{} is still served: the Agent does not manage its file, and there is no link to remove.",
                record.domain
            ));
            continue;
        };
        transaction.directory(&host.path(SUSPENDED), Ownership::root(0o755))?;
        let file = answering(host, &record.domain);
        transaction.write(&file, text(&record).as_bytes(), FileMode::mode(0o644))?;
        transaction.link(&link, &file)?;
        publish(host, record, true)?;
    }
    warnings.extend(foreign_pools::suspend(transaction, user, deadline)?);
    Ok(warnings)
}

/// What visitors of the suspended sites must get.
pub fn expected(host: &Host, user: &User) -> Vec<Expected> {
    let is_answered = |record: &SiteRecord| {
        let link = nginx::place(host, &format!("{}.conf", record.domain)).link;
        link.is_some_and(|link| fs::read_link(link).is_ok_and(|target| target == answering(host, &record.domain)))
    };
    let records = unmanaged_records(host, user).into_iter().filter(is_answered);
    let names =
        |record: SiteRecord| if record.names.is_empty() { vec![record.domain.to_string()] } else { record.names };
    records.map(|record| Expected { names: names(record), answer: ExpectedAnswer::Suspended }).collect()
}

/// Restores the sites and pools.
///
/// # Errors
/// A file cannot be changed.
pub fn unsuspend(transaction: &mut Transaction<'_>, user: &User, deadline: Deadline) -> Result<Vec<String>, Problem> {
    let host = transaction.host();
    for record in unmanaged_records(host, user) {
        let place = nginx::place(host, &format!("{}.conf", record.domain));
        if let Some(link) = place.link.filter(|_| answering(host, &record.domain).exists()) {
            transaction.link(&link, &place.file)?;
            transaction.remove(&answering(host, &record.domain))?;
        }
        publish(host, record, false)?;
    }
    foreign_pools::unsuspend(transaction, user, deadline)
}

/// Deletes the files of the account's unmanaged sites, and its pools.
///
/// # Errors
/// A file cannot be deleted.
pub fn remove(transaction: &mut Transaction<'_>, user: &User) -> Result<(), Problem> {
    let host = transaction.host();
    for record in unmanaged_records(host, user) {
        let place = nginx::place(host, &format!("{}.conf", record.domain));
        for path in place.link.iter().chain([&place.file, &answering(host, &record.domain)]) {
            transaction.remove(path)?;
        }
    }
    Ok(())
}

fn unmanaged_records(host: &Host, user: &User) -> Vec<SiteRecord> {
    let Ok(username) = Username::parse("username", &user.name) else { return Vec::new() };
    site_record::read_all(host)
        .unwrap_or_default()
        .records
        .into_iter()
        .filter(|record| record.username == username && !record.managed)
        .collect()
}

fn publish(host: &Host, record: SiteRecord, suspended: bool) -> Result<(), Problem> {
    site_record::publish(host, &SiteRecord { suspended, ..record }, &Register::read(host)?)
}

fn answering(host: &Host, domain: &Domain) -> PathBuf {
    host.path(SUSPENDED).join(format!("{domain}.conf"))
}

fn text(record: &SiteRecord) -> String {
    let names = if record.names.is_empty() { record.domain.to_string() } else { record.names.join(" ") };
    format!(
        "# The account “{}” is suspended.\nserver {{\n    listen 80;\n    server_name {names};\n    return 503;\n}}\n",
        record.username
    )
}
