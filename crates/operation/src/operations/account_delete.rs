//! `/account/delete`: deletes an account with its sites, certificates, DNS zones, databases, logs, mail, crontab, user and home. If it times out,
//! repeating the request continues it.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::slice;
use std::time::Duration;

use serde_json::{Value, json};

use crate::accounts::leftovers::{self, Owner};
use crate::accounts::{at_jobs, crontab, deleted_home, eviction, user_manager};
use crate::backups;
use crate::databases::account as databases;
use crate::dns::owner;
use crate::perform::{Context, Perform};
use crate::transaction::Transaction;
use crate::tree;
use crate::users::user;
use crate::web::certificate::current;
use crate::web::site::Site;
use crate::web::{apply, foreign_pools, pools, published_sites, unmanaged_sites};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::problem::Problem;
use opterius_host::request::account_delete::DeleteAccount;
use opterius_host::request::values::{Domain, Username};
use opterius_host::sites::site_record;
use opterius_host::users::account;
use opterius_host::users::register::{Register, User};

/// Time limit for deleting the files of the home. The rest is deleted by later operations.
const HOME_TIME: Duration = Duration::from_secs(60);

impl Perform for DeleteAccount {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let deleted = delete(host, &self.username, deadline);
        // Even if there is no such account: repeating the request deletes what is left.
        deleted_home::sweep(host, deleted.as_ref().map_or(None, |(home, _)| Some(home)));
        deleted.map(|(_, warnings)| json!({"username": self.username, "warnings": warnings}))
    }
}

/// Deletes the account. Returns where its home is or was, and warnings.
fn delete(host: &Host, username: &Username, deadline: Deadline) -> Result<(PathBuf, Vec<String>), Problem> {
    let (mut domains, mut warnings) = remove_sites(host, username, deadline)?;
    // From here on, nothing is rolled back, and repeating the request continues.
    let home = Transaction::run(host, deadline, |_| {
        let user = Register::read(host)?.account(username)?.clone();
        eviction::lock_out(host, username, &user, deadline)?;
        warnings.extend(eviction::end(host, username, &user, deadline)?);
        let owner = Owner::of(host, &user);
        warnings.extend(leftovers::unmount(host, &owner, deadline));
        domains.extend(recorded(host, username)?);
        for domain in &domains {
            current::forget(host, domain, deadline)?;
        }
        warnings.extend(delete_logs(host, &user, deadline));
        forget_jobs(host, username, &user)?;
        warnings.extend(leftovers::remove(host, username, &owner));
        let home = deleted_home::move_aside(host, username)?;
        for domain in &domains {
            site_record::forget(host, domain)?;
        }
        warnings.extend(backups::directory::forget(host, username, deadline));
        warnings.extend(owner::delete_zones(host, username, deadline));
        // If a server of databases does not run, everything else is gone, and the user stays for the repeat.
        warnings.extend(databases::delete(host, username, deadline)?);
        account::forget(host, username)?;
        user_manager::forget(host, &user)?;
        // The user comes last: as long as it exists, the request can be repeated.
        user::remove(host, username, deadline)?;
        Ok(home)
    })?;
    warnings.extend(deleted_home::remove(&home, deadline.sooner(HOME_TIME)));
    Ok((home, warnings))
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
        user::refuse_foreign_user(host, &register, user)?;
        // If this is interrupted, the records are what the next attempt knows of these sites.
        let mut warnings = published_sites::repair(host, deadline)?;
        unmanaged_sites::remove(transaction, user)?;
        let sites = Site::all_of(host, username)?;
        let mut expected = Vec::new();
        for site in &sites {
            expected.extend(apply::remove(transaction, site)?);
        }
        apply::take_effect(transaction, &expected, deadline, &mut warnings)?;
        // FPM runs workers as the user and would restart them.
        warnings.extend(pools::sweep(transaction, slice::from_ref(username), deadline)?);
        warnings.extend(foreign_pools::remove(transaction, user, deadline)?);
        Ok((sites.into_iter().map(|site| site.domain).collect(), warnings))
    })
}

/// The domains of the account's records, which outlive the sites' files.
fn recorded(host: &Host, username: &Username) -> Result<Vec<Domain>, Problem> {
    let records = site_record::read_all(host)?.records.into_iter();
    Ok(records.filter(|record| record.username == *username).map(|record| record.domain).collect())
}

/// Deletes the logs of all current and former sites of the account and of its PHP, which are the ones that its group can read.
/// Returns a warning for each that stays.
fn delete_logs(host: &Host, user: &User, deadline: Deadline) -> Vec<String> {
    let directories = [layout::LOGS, layout::PHP_LOGS].map(|path| host.path(path));
    let entries = directories.iter().flat_map(|path| fs::read_dir(path).into_iter().flatten().flatten());
    let belongs_to_account = |entry: &DirEntry| entry.metadata().is_ok_and(|found| found.gid() == user.gid);
    let removed = entries.filter(belongs_to_account).map(|logs| tree::remove(&logs.path(), deadline));
    removed.filter_map(|removed| removed.err().map(|problem| problem.message())).collect()
}

/// Deletes the crontab and the jobs of at, which the eviction has disabled.
fn forget_jobs(host: &Host, username: &Username, user: &User) -> Result<(), Problem> {
    crontab::forget(host, username)?;
    at_jobs::forget(host, username, user.uid)
}
