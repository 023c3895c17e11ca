//! `/account/delete`: deletes an account with its sites, certificates, logs, mail, crontab, user and home. If it times out,
//! repeating the request continues it.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::accounts::crontab;
use crate::perform::{Context, Perform};
use crate::servers::php;
use crate::transaction::Transaction;
use crate::tree;
use crate::users::{kill_processes, user};
use crate::web::certificate::current;
use crate::web::site::Site;
use crate::web::{apply, published_sites, unmanaged_sites};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::problem::Problem;
use opterius_host::request::account_delete::DeleteAccount;
use opterius_host::request::values::{Domain, Username};
use opterius_host::sites::site_record;
use opterius_host::users::account;
use opterius_host::users::register::{Register, User};

/// Name prefix of a deleted account's home until all files are gone.
const DELETED: &str = ".opterius-deleted-";

impl Perform for DeleteAccount {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { username } = self;
        // Finish earlier deletions that timed out.
        remove_deleted_homes(host, deadline)?;
        let (mut domains, warnings) = remove_sites(host, username, deadline)?;
        // From here on, nothing is rolled back, and repeating the request continues.
        Transaction::run(host, deadline, |_| {
            let user = Register::read(host)?.account(username)?.clone();
            user::disable_login(host, username, deadline)?;
            kill_processes::kill_all(host, &user, deadline)?;
            domains.extend(recorded(host, username)?);
            for domain in &domains {
                current::forget(host, domain, deadline)?;
            }
            delete_logs(host, &user, deadline)?;
            delete_files(host, username)?;
            move_home_aside(host, username)?;
            for domain in &domains {
                site_record::forget(host, domain)?;
            }
            account::forget(host, username)?;
            // The user comes last: as long as it exists, the request can be repeated.
            user::remove(host, username, deadline)
        })?;
        remove_deleted_homes(host, deadline)?;
        Ok(json!({"username": username, "warnings": warnings}))
    }
}

/// Removes all sites of an account from nginx and PHP, before anything that they need is deleted.
fn remove_sites(
    host: &Host,
    username: &Username,
    deadline: Deadline,
) -> Result<(BTreeSet<Domain>, Vec<String>), Problem> {
    Transaction::run(host, deadline, |transaction| {
        let register = Register::read(host)?;
        let user = register.account(username)?;
        user::refuse_system_user(user)?;
        // If this is interrupted, the records are what the next attempt knows of these sites.
        let mut warnings = published_sites::repair(host, deadline)?;
        unmanaged_sites::remove(transaction, user)?;
        let sites = Site::all_of(host, username)?;
        for site in &sites {
            apply::remove(transaction, site)?;
        }
        apply::take_effect(transaction, deadline, &mut warnings)?;
        // FPM runs workers as the user and would restart them.
        php::reload_all(host, deadline);
        Ok((sites.into_iter().map(|site| site.domain).collect(), warnings))
    })
}

/// The domains of the account's records, which outlive the sites' files.
fn recorded(host: &Host, username: &Username) -> Result<Vec<Domain>, Problem> {
    let records = site_record::read_all(host)?.records.into_iter();
    Ok(records.filter(|record| record.username == *username).map(|record| record.domain).collect())
}

/// Deletes the logs of all current and former sites of the account, which are the ones that its group can read.
fn delete_logs(host: &Host, user: &User, deadline: Deadline) -> Result<(), Problem> {
    let entries = fs::read_dir(host.path(layout::LOGS)).into_iter().flatten().flatten();
    let belongs_to_account = |entry: &DirEntry| entry.metadata().is_ok_and(|found| found.gid() == user.gid);
    for logs in entries.filter(belongs_to_account) {
        tree::remove(&logs.path(), deadline)?;
    }
    Ok(())
}

fn delete_files(host: &Host, username: &Username) -> Result<(), Problem> {
    let mail = host.path("/var/mail").join(username.as_str());
    // systemd's mark of a user whose services run without a session.
    let linger = host.path("/var/lib/systemd/linger").join(username.as_str());
    for path in [crontab::path(host, username), crontab::disabled_path(host, username), mail, linger] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Problem::at(&path, error)),
            _ => {}
        }
    }
    Ok(())
}

/// Renames the home, so that the account is gone immediately, however many files it has.
fn move_home_aside(host: &Host, username: &Username) -> Result<(), Problem> {
    let home = host.home(username.as_str());
    let aside = |number: u32| host.path("/home").join(format!("{DELETED}{number}"));
    let free = (0..u32::MAX).map(aside).find(|path| fs::symlink_metadata(path).is_err());
    match fs::rename(&home, free.unwrap_or_else(|| aside(u32::MAX))) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::ResourceBusy => Err(Problem::Conflict(format!(
            "{0} is a mount point. Unmount it (umount {0}) and repeat the operation.",
            home.display()
        ))),
        renamed => renamed.map_err(|error| Problem::at(&home, error)),
    }
}

/// Deletes the homes that this operation, or one that was interrupted, has renamed.
fn remove_deleted_homes(host: &Host, deadline: Deadline) -> Result<(), Problem> {
    let entries = fs::read_dir(host.path("/home")).into_iter().flatten().flatten();
    let deleted = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(DELETED));
    for home in entries.map(|entry| entry.path()).filter(deleted) {
        tree::remove(&home, deadline)?;
    }
    Ok(())
}
