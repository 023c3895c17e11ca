//! Sites of today's hosts, whose files somebody else has written. Such a file is never written to: suspending puts another
//! in its place and giving back puts it where it was; only deleting the account deletes it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::servers::{nginx, php};
use crate::transaction::Changes;
use opterius_base::deadline::Deadline;
use opterius_base::files::Rights;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::{Domain, Username};
use opterius_host::sites::facts::{self, Facts};
use opterius_host::users::register::{Register, User};

/// Where what answers in place of a suspended site is.
const SUSPENDED: &str = "/var/lib/opterius/suspended";

/// What a pool's file is called while nothing may run in it.
const SET_ASIDE: &str = "opterius-suspended";

/// Puts a file that answers 503 in the place of each such site, and sets the account's pools aside.
///
/// # Errors
/// A file cannot be changed.
pub fn suspend(changes: &mut Changes<'_>, user: &User, deadline: Deadline) -> Result<Vec<String>, Problem> {
    let host = changes.host();
    let mut warnings = Vec::new();
    for facts in of(host, user) {
        let Some(link) = nginx::place(host, &format!("{}.conf", facts.domain)).link else {
            warnings.push(format!(
                "{} goes on being served: its file is not ours and has no link to take away.",
                facts.domain
            ));
            continue;
        };
        changes.directory(&host.path(SUSPENDED), 0o755, None)?;
        let file = answering(host, &facts.domain);
        changes.write(&file, text(&facts).as_bytes(), Rights::mode(0o644))?;
        changes.link(&link, &file)?;
        publish(host, facts, true)?;
    }
    let pools = pools(host, &user.name, "conf");
    for pool in &pools {
        rename(changes, pool, &pool.with_extension(format!("conf.{SET_ASIDE}")))?;
    }
    if !pools.is_empty() {
        php::reload_all(host, deadline);
    }
    Ok(warnings)
}

/// Puts everything back.
///
/// # Errors
/// A file cannot be changed.
pub fn unsuspend(changes: &mut Changes<'_>, user: &User, deadline: Deadline) -> Result<Vec<String>, Problem> {
    let host = changes.host();
    for facts in of(host, user) {
        let place = nginx::place(host, &format!("{}.conf", facts.domain));
        if let Some(link) = place.link.filter(|_| answering(host, &facts.domain).exists()) {
            changes.link(&link, &place.file)?;
            changes.remove(&answering(host, &facts.domain))?;
        }
        publish(host, facts, false)?;
    }
    let pools = pools(host, &user.name, SET_ASIDE);
    for pool in &pools {
        rename(changes, pool, &pool.with_extension(""))?;
    }
    if !pools.is_empty() {
        php::reload_all(host, deadline);
    }
    Ok(Vec::new())
}

/// Deletes the files of each such site, and the account's pools.
///
/// # Errors
/// A file cannot be deleted.
pub fn remove(changes: &mut Changes<'_>, user: &User) -> Result<(), Problem> {
    let host = changes.host();
    for facts in of(host, user) {
        let place = nginx::place(host, &format!("{}.conf", facts.domain));
        for path in place.link.iter().chain([&place.file, &answering(host, &facts.domain)]) {
            changes.remove(path)?;
        }
    }
    for pool in pools(host, &user.name, "conf").iter().chain(&pools(host, &user.name, SET_ASIDE)) {
        changes.remove(pool)?;
    }
    Ok(())
}

fn of(host: &Host, user: &User) -> Vec<Facts> {
    let Ok(username) = Username::parse("username", &user.name) else { return Vec::new() };
    facts::read_all(host).into_iter().filter(|facts| facts.username == username && !facts.managed).collect()
}

fn publish(host: &Host, facts: Facts, suspended: bool) -> Result<(), Problem> {
    facts::publish(host, &Facts { suspended, ..facts }, &Register::read(host)?)
}

fn answering(host: &Host, domain: &Domain) -> PathBuf {
    host.path(SUSPENDED).join(format!("{domain}.conf"))
}

fn text(facts: &Facts) -> String {
    let names = if facts.names.is_empty() { facts.domain.to_string() } else { facts.names.join(" ") };
    format!(
        "# The account “{}” is suspended.\nserver {{\n    listen 80;\n    server_name {names};\n    return 503;\n}}\n",
        facts.username
    )
}

/// The pool files with this extension that run as the user, but for those that come and go with our own sites.
fn pools(host: &Host, username: &str, extension: &str) -> Vec<PathBuf> {
    let directories = php::versions(host).into_iter().map(|version| php::pools(host, &version));
    let files = directories.flat_map(|directory| fs::read_dir(directory).into_iter().flatten().flatten());
    let files = files.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|found| found == extension));
    files.filter(|path| runs_as(path, username)).collect()
}

fn runs_as(path: &Path, username: &str) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    let users = text.lines().filter_map(|line| line.split_once('=')).filter(|(key, _)| key.trim() == "user");
    let found = users.map(|(_, value)| value.trim()).any(|value| value == username);
    found && !text.starts_with(php::MARK)
}

fn rename(changes: &mut Changes<'_>, from: &Path, to: &Path) -> Result<(), Problem> {
    let bytes = fs::read(from).map_err(|error| Problem::at(from, error))?;
    changes.write(to, &bytes, Rights::mode(0o644))?;
    changes.remove(from)
}
