//! The logs of sites, in directories that only root can write to and the account can read.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use crate::transaction::{Ownership, Transaction, permanent_directory};
use crate::web::site::Site;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::users::register::User;

/// Creates a site's missing logs. The account owns PHP's log.
///
/// # Errors
/// They cannot be created.
pub fn create(transaction: &mut Transaction<'_>, site: &Site, user: &User) -> Result<(), Problem> {
    let logs = site.logs(transaction.host());
    transaction.directory(&logs, ownership(user))?;
    create_files(&logs, user)
}

/// Creates the missing logs of an existing site again; returns whether their directory was missing.
///
/// # Errors
/// They cannot be created.
pub fn restore(host: &Host, site: &Site, user: &User) -> Result<bool, Problem> {
    let logs = site.logs(host);
    let was_missing = permanent_directory(host, &logs, ownership(user))?;
    if was_missing {
        create_files(&logs, user)?;
    }
    Ok(was_missing)
}

fn ownership(user: &User) -> Ownership {
    Ownership { mode: 0o750, owner: None, group: Some(user.gid) }
}

fn create_files(logs: &Path, user: &User) -> Result<(), Problem> {
    for (name, owner) in [("access.log", None), ("error.log", None), ("php-error.log", Some(user.uid))] {
        create_log(&logs.join(name), owner, user.gid).map_err(|error| Problem::at(logs, error))?;
    }
    Ok(())
}

fn create_log(path: &Path, owner: Option<u32>, group: u32) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok() {
        return Ok(());
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    fchown(&file, owner, Some(group))?;
    file.set_permissions(fs::Permissions::from_mode(0o640))
}
