//! The logs of sites, in directories that only root can write to and the account can read.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use crate::transaction::{Ownership, Transaction};
use crate::web::site::Site;
use opterius_host::problem::Problem;
use opterius_host::users::register::User;

/// Creates a site's missing logs. The account owns PHP's log.
///
/// # Errors
/// They cannot be created.
pub fn create(transaction: &mut Transaction<'_>, site: &Site, user: &User) -> Result<(), Problem> {
    let logs = site.logs(transaction.host());
    transaction.directory(&logs, Ownership { mode: 0o750, owner: None, group: Some(user.gid) })?;
    for (name, owner) in [("access.log", None), ("error.log", None), ("php-error.log", Some(user.uid))] {
        create_log(&logs.join(name), owner, user.gid).map_err(|error| Problem::at(&logs, error))?;
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
