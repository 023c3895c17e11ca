//! PHP pools of accounts that the Agent did not create. They stay in the shared masters. Suspending an account disables them,
//! unsuspending enables them again, and deleting the account deletes them, because FPM does not start with a pool of a user
//! that is gone. A file that contains pools of others, too, is kept: only the account's sections in it are disabled.

use std::fs;
use std::path::{Path, PathBuf};

use crate::servers::php::{pool_file, shared, versions};
use crate::transaction::Transaction;
use opterius_base::deadline::Deadline;
use opterius_base::files::FileMode;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::users::register::User;

/// The file extension of a pool that is disabled by a suspension.
const DISABLED: &str = "opterius-suspended";

/// Disables the account's pools. Returns warnings.
///
/// # Errors
/// A file cannot be changed.
pub fn suspend(transaction: &mut Transaction<'_>, user: &User, deadline: Deadline) -> Result<Vec<String>, Problem> {
    let host = transaction.host();
    let found = files(host, user, "conf");
    for (path, bytes) in &found {
        if is_only_of(bytes, user) {
            rename(transaction, path, &path.with_extension(format!("conf.{DISABLED}")))?;
        } else {
            write(transaction, path, &disabled(bytes, user))?;
        }
    }
    Ok(load(host, found.is_empty(), deadline))
}

/// Enables the account's pools. Returns warnings.
///
/// # Errors
/// A file cannot be changed.
pub fn unsuspend(transaction: &mut Transaction<'_>, user: &User, deadline: Deadline) -> Result<Vec<String>, Problem> {
    let host = transaction.host();
    let renamed = files(host, user, DISABLED);
    for (path, _) in &renamed {
        rename(transaction, path, &path.with_extension(""))?;
    }
    let mark = mark(user);
    let edited = all_files(host, "conf").into_iter().filter_map(|path| {
        let bytes = fs::read(&path).ok()?;
        let enabled = lines(&bytes).map(|line| line.strip_prefix(mark.as_bytes()).unwrap_or(line)).collect::<Vec<_>>();
        let enabled = enabled.concat();
        (enabled != bytes).then_some((path, enabled))
    });
    let edited: Vec<(PathBuf, Vec<u8>)> = edited.collect();
    for (path, bytes) in &edited {
        write(transaction, path, bytes)?;
    }
    Ok(load(host, renamed.is_empty() && edited.is_empty(), deadline))
}

/// Deletes the account's pools. Returns warnings.
///
/// # Errors
/// A pool of another user needs this one, or a file cannot be changed.
pub fn remove(transaction: &mut Transaction<'_>, user: &User, deadline: Deadline) -> Result<Vec<String>, Problem> {
    let host = transaction.host();
    for path in all_files(host, "conf") {
        let bytes = fs::read(&path).unwrap_or_default();
        let pools = pool_file::parse(&bytes);
        let dependent = pools.iter().find(|pool| !pool.runs_as(&user.name, user.uid) && pool.depends_on(&user.name));
        if let Some(pool) = dependent {
            return Err(Problem::Conflict(format!(
                "The PHP pool “{}” in {} runs as another user but names “{}”, and PHP would not start without it. Change that \
                 pool, then repeat the operation.",
                pool.name,
                path.display(),
                user.name
            )));
        }
    }
    let mut is_unchanged = true;
    for (path, bytes) in files(host, user, "conf").into_iter().chain(files(host, user, DISABLED)) {
        is_unchanged = false;
        if is_only_of(&bytes, user) {
            transaction.remove(&path)?;
        } else {
            write(transaction, &path, &disabled(&bytes, user))?;
        }
    }
    Ok(load(host, is_unchanged, deadline))
}

fn load(host: &Host, is_unchanged: bool, deadline: Deadline) -> Vec<String> {
    if is_unchanged { Vec::new() } else { shared::load_all(host, deadline) }
}

/// The files with this extension that contain a pool of the user, and their content, except those of managed sites.
fn files(host: &Host, user: &User, extension: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let read =
        all_files(host, extension).into_iter().filter_map(|path| fs::read(&path).ok().map(|bytes| (path, bytes)));
    let is_of_user = |bytes: &[u8]| pool_file::parse(bytes).iter().any(|pool| pool.runs_as(&user.name, user.uid));
    read.filter(|(_, bytes)| is_of_user(bytes) && !bytes.starts_with(shared::MARK.as_bytes())).collect()
}

/// The pool files of all versions, installed or not: one that is installed again would find them.
fn all_files(host: &Host, extension: &str) -> Vec<PathBuf> {
    let directories = versions::configured(host).into_iter().map(|version| versions::pools(host, &version));
    let files = directories.flat_map(|directory| fs::read_dir(directory).into_iter().flatten().flatten());
    files.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

fn is_only_of(bytes: &[u8], user: &User) -> bool {
    pool_file::parse(bytes).iter().all(|pool| pool.runs_as(&user.name, user.uid))
}

/// The start of a disabled line.
fn mark(user: &User) -> String {
    format!(";opterius-agent disabled {}; ", user.name)
}

/// The file with the user's sections as comments.
fn disabled(bytes: &[u8], user: &User) -> Vec<u8> {
    let mark = mark(user);
    let pools = pool_file::parse(bytes);
    let mut number = 0_usize;
    let mut is_of_user = false;
    let mut text = Vec::new();
    for line in lines(bytes) {
        if let Some(is_global) = pool_file::section(line) {
            is_of_user = !is_global && pools.get(number).is_some_and(|pool| pool.runs_as(&user.name, user.uid));
            number = number.saturating_add(usize::from(!is_global));
        }
        if is_of_user {
            text.extend(mark.bytes());
        }
        text.extend(line);
    }
    text
}

/// Lines with their ends.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n')
}

fn rename(transaction: &mut Transaction<'_>, from: &Path, to: &Path) -> Result<(), Problem> {
    let bytes = fs::read(from).map_err(|error| Problem::at(from, error))?;
    write(transaction, to, &bytes)?;
    transaction.remove(from)
}

fn write(transaction: &mut Transaction<'_>, path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    transaction.write(path, bytes, FileMode::mode(0o644))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    const MIXED: &str = "[global]\n[alice]\nuser = $pool\nlisten = /a\n[bob]\nuser = bob\n[more]\nuser=\"alice\"\n";

    fn alice() -> User {
        opterius_host::users::register::Register::parse("alice:x:1001:1001::/home/alice:/bin/sh\n", "").users.remove(0)
    }

    #[test]
    fn only_the_sections_of_the_account_are_disabled_and_come_back() {
        let expected = "[global]\n;opterius-agent disabled alice; [alice]\n;opterius-agent disabled alice; user = $pool\n\
                        ;opterius-agent disabled alice; listen = /a\n[bob]\nuser = bob\n\
                        ;opterius-agent disabled alice; [more]\n;opterius-agent disabled alice; user=\"alice\"\n";
        assert_eq!(String::from_utf8(disabled(MIXED.as_bytes(), &alice())).unwrap(), expected);
        let tree = Tree::new();
        let mixed = tree.write("/etc/php/99.9/fpm/pool.d/mixed.conf", MIXED);
        let own = tree.write("/etc/php/99.9/fpm/pool.d/own.conf", "[a]\nuser = 1001\n");
        let deadline = crate::testing::soon();
        let change = |change: &dyn Fn(&mut Transaction<'_>) -> Result<Vec<String>, Problem>| {
            Transaction::run(&tree.host, deadline, |transaction| change(transaction)).unwrap()
        };
        change(&|transaction| suspend(transaction, &alice(), deadline));
        assert_eq!(fs::read_to_string(&mixed).unwrap(), expected);
        assert!(!own.exists());
        change(&|transaction| unsuspend(transaction, &alice(), deadline));
        assert_eq!(fs::read_to_string(&mixed).unwrap(), MIXED);
        assert!(own.exists());
        change(&|transaction| suspend(transaction, &alice(), deadline));
        change(&|transaction| remove(transaction, &alice(), deadline));
        assert_eq!(fs::read_to_string(&mixed).unwrap(), expected);
        assert_eq!(fs::read_dir(own.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_pool_of_another_user_that_needs_the_account_stops_its_deletion() {
        let tree = Tree::new();
        tree.write("/etc/php/99.9/fpm/pool.d/www.conf", "[www]\nuser = www-data\nlisten.group = alice\n");
        let removed = Transaction::run(&tree.host, crate::testing::soon(), |transaction| {
            remove(transaction, &alice(), crate::testing::soon())
        });
        assert!(matches!(removed, Err(Problem::Conflict(sentence)) if sentence.contains("www.conf")));
    }
}
