//! PHP for sites: the masters of accounts, or pools in the shared masters.
//!
//! A change has two halves. [`prepare`] makes PHP answer with the new state, before nginx passes requests to it. [`sweep`]
//! then ends what is no longer used, wherever it is: it looks for our marks in all PHP versions, because a site's version
//! can have changed since.

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use rustix::fs::CWD;

use crate::servers::php::{self, masters, settings, shared, units, versions};
use crate::transaction::{Ownership, Transaction};
use crate::tree;
use crate::web::php_values::PhpValues;
use crate::web::site::{Site, Sites};
use crate::web::site_view::View;
use opterius_base::deadline::Deadline;
use opterius_base::files::FileMode;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::{PhpVersion, Username};
use opterius_host::users::account::Account;
use opterius_host::users::register::{Register, User};

/// Makes PHP ready for these sites, and checks that it answers. Returns warnings.
///
/// # Errors
/// PHP rejected the new settings or does not answer, or a file cannot be changed.
pub fn prepare(
    transaction: &mut Transaction<'_>,
    views: &[View<'_>],
    register: &Register,
    deadline: Deadline,
) -> Result<Vec<String>, Problem> {
    let mut warnings: Vec<String> = Vec::new();
    let mut ready: Vec<(&str, &PhpVersion)> = Vec::new();
    // Masters of many accounts would need more memory than a small server has.
    let are_many = views.iter().any(|view| view.user.name != views.first().map_or("", |first| &first.user.name));
    for View { site, user, pool, suspended, php: PhpValues { disabled, .. }, .. } in views {
        let version = &site.php_version;
        if pool.is_none() {
            if !suspended {
                warnings.push(format!("PHP {version} is not installed, so PHP pages on {} answer 503.", site.domain));
            }
            continue;
        }
        if !php::has_own_masters(transaction.host()) {
            prepare_pool(transaction, site, user, disabled, register)?;
            continue;
        }
        if !ready.contains(&(&user.name, version)) {
            let was_idle = are_many && !masters::is_running(&user.name, version, deadline)?;
            warnings.extend(prepare_master(transaction, user, (version, disabled), register, deadline)?);
            if was_idle {
                let rested = masters::rest(&user.name, version, deadline);
                warnings.extend(rested.err().map(|problem| problem.message()));
            }
            ready.push((&user.name, version));
        }
        link_log(transaction, site, user)?;
    }
    if !php::has_own_masters(transaction.host()) {
        warnings.extend(load_pools(transaction.host(), views, deadline)?);
    }
    Ok(warnings)
}

/// Links the log of the account's masters from the site's logs.
///
/// # Errors
/// The link cannot be created.
pub fn link_log(transaction: &mut Transaction<'_>, site: &Site, user: &User) -> Result<(), Problem> {
    let (link, log) = (site.logs(transaction.host()).join("php-fpm"), settings::log(transaction.host(), &user.name));
    if !php::has_own_masters(transaction.host()) || fs::read_link(&link).ok().as_ref() == Some(&log) {
        return Ok(());
    }
    transaction.link(&link, &log)
}

/// Makes the master of an account answer with its current settings.
fn prepare_master(
    transaction: &mut Transaction<'_>,
    user: &User,
    (version, disabled): (&PhpVersion, &str),
    register: &Register,
    deadline: Deadline,
) -> Result<Option<String>, Problem> {
    let host = transaction.host();
    units::install(host, version, &register.web_group()?.name, deadline)?;
    create_log(transaction, user, deadline)?;
    let path = settings::path(host, &user.name, version);
    if let Some(directory) = path.parent() {
        transaction.directory(directory, Ownership::root(0o755))?;
    }
    let (text, _) = settings::render(host, &user.name, version, &masters::socket(host, &user.name, version), disabled);
    let is_new = fs::read(&path).ok().as_deref() != Some(text.as_bytes());
    if is_new {
        masters::test(host, user, version, &text, deadline)?;
        // Other accounts must not read its sites and paths.
        transaction.write(&path, text.as_bytes(), FileMode { mode: 0o640, group: Some(user.gid) })?;
    }
    let (link, target) = units::enabling_link(host, &user.name, version);
    if fs::read_link(&link).ok().as_ref() != Some(&target) {
        transaction.link(&link, &target)?;
    }
    masters::start(host, &user.name, version, is_new, deadline)
}

/// Creates the log of the account's masters, which the account owns, in a directory that only root can write to.
fn create_log(transaction: &mut Transaction<'_>, user: &User, deadline: Deadline) -> Result<(), Problem> {
    let log = settings::log(transaction.host(), &user.name);
    let directory = log.parent().unwrap_or(&log);
    // It may be a previous owner's.
    if fs::symlink_metadata(directory).is_ok_and(|found| found.gid() != user.gid) {
        tree::remove(directory, deadline)?;
    }
    transaction.directory(directory, Ownership { mode: 0o750, owner: None, group: Some(user.gid) })?;
    // The account owns it, and can mount a file system there.
    match CString::new(log.as_os_str().as_bytes()).map(|name| tree::metadata_at(CWD, &name)) {
        Ok(Ok(found)) if tree::is_mount_point(&found) => {
            return Err(Problem::Conflict(format!(
                "A file system is mounted at {0}, where PHP has its log. Unmount it (umount {0}), then repeat the operation.",
                log.display()
            )));
        }
        Ok(Ok(found)) if tree::is_file(&found) && found.stx_uid == user.uid => return Ok(()),
        _ => {}
    }
    transaction.remove(&log)?;
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&log).and_then(|file| {
        fchown(&file, Some(user.uid), Some(user.gid))?;
        file.set_permissions(fs::Permissions::from_mode(0o640))
    });
    created.map_err(|error| Problem::at(&log, error))
}

/// Writes the pool of a site in the shared master.
fn prepare_pool(
    transaction: &mut Transaction<'_>,
    site: &Site,
    user: &User,
    disabled: &str,
    register: &Register,
) -> Result<(), Problem> {
    let host = transaction.host();
    let file = shared::pool_file(host, &site.php_version, &site.domain);
    let text = pool_text(host, site, user, disabled, register)?;
    if fs::read(&file).ok().as_deref() != Some(text.as_bytes()) {
        transaction.write(&file, text.as_bytes(), FileMode::mode(0o644))?;
    }
    Ok(())
}

fn pool_text(host: &Host, site: &Site, user: &User, disabled: &str, register: &Register) -> Result<String, Problem> {
    let error_log = site.logs(host).join("php-error.log");
    let pool = shared::pool(host, &site.php_version, &site.domain, user, &register.web_group()?.name, &error_log);
    Ok(pool + &settings::disabled_functions(disabled))
}

/// Makes the shared masters load the pools of sites. A pool of others that keeps them from it is not this change's fault.
fn load_pools(host: &Host, views: &[View<'_>], deadline: Deadline) -> Result<Vec<String>, Problem> {
    let mut warnings = Vec::new();
    let mut loaded: Vec<&PhpVersion> = Vec::new();
    for View { site, pool, .. } in views {
        let version = &site.php_version;
        if pool.is_none() {
            continue;
        }
        shared::test_alone(host, version, &shared::pool_file(host, version, &site.domain), deadline)?;
        if !loaded.contains(&version) {
            loaded.push(version);
            warnings.extend(shared::load(host, version, deadline));
        }
        shared::await_socket(host, version, &site.domain, deadline);
    }
    Ok(warnings)
}

/// Ends everything of PHP that these accounts no longer use, and everything of users that are gone. Returns warnings.
///
/// # Errors
/// A file cannot be changed, or systemd does not stop a master.
pub fn sweep(
    transaction: &mut Transaction<'_>,
    usernames: &[Username],
    deadline: Deadline,
) -> Result<Vec<String>, Problem> {
    let host = transaction.host();
    let register = Register::read(host)?;
    let (mut changed, mut warnings): (Vec<PhpVersion>, Vec<String>) = Default::default();
    for username in usernames {
        warnings.extend(sweep_account(transaction, username, &register, &mut changed, deadline)?);
    }
    warnings.extend(sweep_gone(transaction, &register, &mut changed, deadline)?);
    for version in versions::configured(host) {
        if harden(transaction, &version, &register)? && !changed.contains(&version) {
            changed.push(version);
        }
    }
    let changed = changed.iter().filter(|version| versions::is_installed(host, version));
    warnings.extend(changed.filter_map(|version| shared::load(host, version, deadline)));
    Ok(warnings)
}

/// Restricts the shared memory of a version's shared master as long as pools of accounts are in it. Returns whether anything
/// changed.
fn harden(transaction: &mut Transaction<'_>, version: &PhpVersion, register: &Register) -> Result<bool, Problem> {
    let host = transaction.host();
    let path = shared::restrictions_file(host, version);
    let accounts: Vec<&User> = register.accounts().iter().filter_map(|name| register.user(name)).collect();
    let is_needed = shared::all_pools(host, version)
        .iter()
        .any(|pool| accounts.iter().any(|user| pool.runs_as(&user.name, user.uid)));
    let current = fs::read(&path).ok();
    if is_needed && current.as_deref() != Some(shared::RESTRICTIONS.as_bytes()) {
        if !path.parent().is_some_and(Path::is_dir) {
            return Ok(false);
        }
        transaction.write(&path, shared::RESTRICTIONS.as_bytes(), FileMode::mode(0o644))?;
    } else if !is_needed && current.is_some() {
        transaction.remove(&path)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// The sites that an account's PHP serves, from the marked files themselves; none if it is suspended.
fn served(host: &Host, username: &Username) -> Result<Vec<Site>, Problem> {
    if Account::read(host, username)?.suspended.is_some() {
        return Ok(Vec::new());
    }
    Site::all_of(host, username)
}

fn sweep_account(
    transaction: &mut Transaction<'_>,
    username: &Username,
    register: &Register,
    changed: &mut Vec<PhpVersion>,
    deadline: Deadline,
) -> Result<Vec<String>, Problem> {
    let (host, mut warnings) = (transaction.host(), Vec::new());
    let served = served(host, username)?;
    for version in masters::of(host, username.as_str()) {
        if !served.iter().any(|site| site.php_version == version) {
            // Without any site, nothing is left to finish.
            let now = served.is_empty();
            warnings.extend(remove_master(transaction, username.as_str(), &version, now, deadline)?);
        }
    }
    let Some(user) = register.user(username.as_str()) else { return Ok(warnings) };
    let is_needed = |version: &PhpVersion, domain: &str| {
        !php::has_own_masters(host)
            && served.iter().any(|site| site.domain.as_str() == domain && site.php_version == *version)
    };
    remove_pools(transaction, changed, |version, domain, pool| {
        let name = if host.is_machine() { user.name.clone() } else { user.uid.to_string() };
        pool.user.as_deref() == Some(&*name) && !is_needed(version, domain)
    })?;
    Ok(warnings)
}

/// PHP of users that are gone: with such a pool, FPM does not start.
fn sweep_gone(
    transaction: &mut Transaction<'_>,
    register: &Register,
    changed: &mut Vec<PhpVersion>,
    deadline: Deadline,
) -> Result<Vec<String>, Problem> {
    let (host, mut warnings) = (transaction.host(), Vec::new());
    let is_account = |name: &str| register.accounts().iter().any(|account| account == name);
    for (username, version) in masters::all(host) {
        if !is_account(&username) {
            warnings.extend(remove_master(transaction, &username, &version, true, deadline)?);
        }
    }
    remove_pools(transaction, changed, |_, _, pool| {
        let user = pool.user.as_deref().unwrap_or_default();
        register.user(user).is_none() && !register.users.iter().any(|known| known.uid.to_string() == user)
    })?;
    Ok(warnings)
}

fn remove_master(
    transaction: &mut Transaction<'_>,
    username: &str,
    version: &PhpVersion,
    now: bool,
    deadline: Deadline,
) -> Result<Option<String>, Problem> {
    let host = transaction.host();
    transaction.remove(&units::enabling_link(host, username, version).0)?;
    transaction.remove(&settings::path(host, username, version))?;
    match (host.has_systemd(), now) {
        (false, _) => Ok(None),
        (true, true) => masters::kill(host, username, version, deadline),
        (true, false) => masters::stop(host, username, version, deadline),
    }
}

/// Removes pools with our mark from the shared masters of all versions. `is_stale` gets the version, the domain in the name
/// of the file, and the pool.
fn remove_pools(
    transaction: &mut Transaction<'_>,
    changed: &mut Vec<PhpVersion>,
    is_stale: impl Fn(&PhpVersion, &str, &php::pool_file::Pool) -> bool,
) -> Result<(), Problem> {
    for version in versions::configured(transaction.host()) {
        for (path, pool) in shared::marked_pools(transaction.host(), &version) {
            let domain = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if is_stale(&version, &domain, &pool) {
                transaction.remove(&path)?;
                if !changed.contains(&version) {
                    changed.push(version.clone());
                }
            }
        }
    }
    Ok(())
}

/// The managed sites that still have a pool in a shared master although accounts have masters of their own, or whose own
/// master is missing.
///
/// # Errors
/// A site or an account cannot be read.
pub fn to_move(host: &Host) -> Result<Vec<Site>, Problem> {
    if !php::has_own_masters(host) {
        return Ok(Vec::new());
    }
    let register = Register::read(host)?;
    let mut sites = Vec::new();
    for site in Sites::read(host)?.sites {
        let is_served = Account::read(host, &site.username)?.suspended.is_none()
            && register.account(&site.username).is_ok()
            && versions::is_installed(host, &site.php_version);
        let has_master = fs::symlink_metadata(units::enabling_link(host, site.username.as_str(), &site.php_version).0);
        let has_pool =
            versions::configured(host).iter().any(|version| shared::pool_file(host, version, &site.domain).exists());
        if is_served && (has_pool || has_master.is_err()) {
            sites.push(site);
        }
    }
    Ok(sites)
}
