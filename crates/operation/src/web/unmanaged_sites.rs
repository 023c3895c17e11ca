//! Sites whose files the Agent did not create. It never changes such a file: suspending an account enables another file in
//! its place, and unsuspending enables it again; only deleting the account deletes it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::servers::nginx::effect::{Expected, ExpectedAnswer};
use crate::servers::{nginx, php};
use crate::transaction::{Ownership, Transaction};
use opterius_base::deadline::Deadline;
use opterius_base::files::FileMode;
use opterius_host::host::Host;
use opterius_host::layout::SUSPENDED;
use opterius_host::lines;
use opterius_host::problem::Problem;
use opterius_host::request::values::{Domain, Username};
use opterius_host::sites::site_record::{self, SiteRecord};
use opterius_host::users::register::{Register, User};

/// The file extension of a pool that is disabled by a suspension.
const DISABLED: &str = "opterius-suspended";

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
    let pools = pools(host, &user.name, "conf");
    for pool in &pools {
        rename(transaction, pool, &pool.with_extension(format!("conf.{DISABLED}")))?;
    }
    if !pools.is_empty() {
        php::reload_all(host, deadline);
    }
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
    let pools = pools(host, &user.name, DISABLED);
    for pool in &pools {
        rename(transaction, pool, &pool.with_extension(""))?;
    }
    if !pools.is_empty() {
        php::reload_all(host, deadline);
    }
    Ok(Vec::new())
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
    for pool in pools(host, &user.name, "conf").iter().chain(&pools(host, &user.name, DISABLED)) {
        transaction.remove(pool)?;
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

/// The pool files with this extension that run as the user, except those of managed sites.
fn pools(host: &Host, username: &str, extension: &str) -> Vec<PathBuf> {
    let directories = php::versions(host).into_iter().map(|version| php::pools(host, &version));
    let files = directories.flat_map(|directory| fs::read_dir(directory).into_iter().flatten().flatten());
    let files = files.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|found| found == extension));
    files.filter(|path| runs_as(path, username)).collect()
}

fn runs_as(path: &Path, username: &str) -> bool {
    let text = lines::text(path, lines::MAX_FILE);
    let users = text.lines().filter_map(|line| line.split_once('=')).filter(|(key, _)| key.trim() == "user");
    let found = users.map(|(_, value)| value.trim()).any(|value| value == username);
    found && !text.starts_with(php::MARK)
}

fn rename(transaction: &mut Transaction<'_>, from: &Path, to: &Path) -> Result<(), Problem> {
    let bytes = fs::read(from).map_err(|error| Problem::at(from, error))?;
    transaction.write(to, &bytes, FileMode::mode(0o644))?;
    transaction.remove(from)
}
