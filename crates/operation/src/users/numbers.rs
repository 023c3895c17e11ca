//! The uid of a new account, which is also its gid.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::users::name_service;
use opterius_base::deadline::Deadline;
use opterius_base::files::{self, FileMode};
use opterius_host::host::Host;
use opterius_host::layout::NEXT_UID;
use opterius_host::lines;
use opterius_host::problem::Problem;
use opterius_host::users::register::{FIRST_UID, Register};

/// First uid in a directory tree, above the uids of the machine's users.
const FIRST_UID_OF_TREE: u32 = 700_000;

/// How many numbers there are: Debian's regular users end at 59,999 (Debian Policy, 9.2.2).
const COUNT: u32 = 59_000;

/// Where files of users are. A number that has some there is not given to an account.
const LEFTOVERS: [&str; 9] = [
    "/home",
    "/var/mail",
    "/var/spool/cron/crontabs",
    "/var/spool/cron/atjobs",
    "/tmp",
    "/var/tmp",
    "/dev/shm",
    "/srv",
    "/var/www",
];

/// The most entries of such a directory that are looked at.
const MAX_ENTRIES: usize = 10_000;

/// The first number of this host.
pub fn first(host: &Host) -> u32 {
    if host.is_machine() { FIRST_UID } else { FIRST_UID_OF_TREE }
}

/// Chooses a number that no user or group has in the files or in the name service, that no files belong to, and that was
/// never used for an account, so that leftover files of a deleted account never belong to a new one.
///
/// # Errors
/// All numbers are used, the name service does not answer, or the choice cannot be stored.
pub fn next(host: &Host, register: &Register, deadline: Deadline) -> Result<u32, Problem> {
    let path = host.path(NEXT_UID);
    let stored = lines::read(&path).ok().and_then(|bytes| lines::number(&bytes));
    let (used, first) = (used(host, register), first(host));
    let mut number = start(&used, first, stored.unwrap_or_default());
    // A directory often has one long range of numbers: pass it in few questions.
    let mut step = 1_u32;
    while number < first.saturating_add(COUNT) {
        if used.contains(&number) {
            number = number.saturating_add(1);
        } else if is_known(host, number, deadline)? {
            number = number.saturating_add(step);
            step = step.saturating_mul(2).min(1000);
        } else {
            let next = format!("{}\n", number.saturating_add(1));
            files::replace(&path, next.as_bytes(), FileMode::mode(0o644)).map_err(|error| Problem::at(&path, error))?;
            return Ok(number);
        }
    }
    Err(Problem::Unavailable(format!(
        "This server has no free user ID for a new account: those from {first} on are used, or were used before ({}).",
        path.display()
    )))
}

fn is_known(host: &Host, number: u32, deadline: Deadline) -> Result<bool, Problem> {
    let key = number.to_string();
    Ok(name_service::has_user(host, &key, deadline)? || name_service::has_group(host, &key, deadline)?)
}

/// Above all numbers in use, if possible, because the files of a user that another tool deleted are not known.
fn start(used: &BTreeSet<u32>, first: u32, stored: u32) -> u32 {
    let last = first.saturating_add(COUNT).saturating_sub(1);
    let above_all = used.range(first..=last).next_back().map_or(first, |highest| highest.saturating_add(1));
    if above_all <= last { above_all.max(stored) } else { stored.max(first) }
}

/// The uids and gids in the files of users, and those that own leftover files.
fn used(host: &Host, register: &Register) -> BTreeSet<u32> {
    let mut used: BTreeSet<u32> = register.users.iter().flat_map(|user| [user.uid, user.gid]).collect();
    used.extend(register.groups.iter().map(|group| group.gid));
    for directory in LEFTOVERS {
        let entries = fs::read_dir(host.path(directory)).into_iter().flatten().flatten().take(MAX_ENTRIES);
        used.extend(entries.filter_map(|entry| entry.metadata().ok()).flat_map(|found| [found.uid(), found.gid()]));
    }
    used
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_never_reused() {
        let used = BTreeSet::from([0, 1000, 1004, 1009, 65_534]);
        for (first, stored, expected) in
            [(1000, 0, 1010), (1000, 1010, 1010), (1000, 1500, 1500), (700_000, 0, 700_000)]
        {
            assert_eq!(start(&used, first, stored), expected, "{first} {stored}");
        }
    }

    #[test]
    fn a_user_with_the_last_number_does_not_use_up_all() {
        let used = BTreeSet::from([1000, 59_999]);
        assert_eq!((start(&used, 1000, 0), start(&used, 1000, 1200)), (1000, 1200));
    }
}
