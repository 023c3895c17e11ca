//! The user of the command line, as the actor in the history.

use std::fs;

use rustix::process::getuid;

use crate::model::{Actor, Role};
use opterius_base::text::one_line;

/// The maximum length of a recorded name, in characters.
const MAX_NAME: usize = 64;

const ACCOUNTS: &str = "/etc/passwd";

/// The operator's login name; under sudo that of the calling user. Informational only: a user who can run this command can
/// also write any name into the database.
pub(super) fn actor() -> Actor {
    let caller = std::env::var("SUDO_USER").ok();
    let accounts = fs::read_to_string(ACCOUNTS).unwrap_or_default();
    Actor { role: Role::Operator, name: name(caller.as_deref(), &accounts, getuid().as_raw()) }
}

fn name(caller: Option<&str>, accounts: &str, user: u32) -> String {
    let caller = caller.map(|caller| one_line(caller, MAX_NAME)).filter(|caller| !caller.is_empty());
    caller.or_else(|| find(accounts, user)).unwrap_or_else(|| format!("uid {user}"))
}

/// The name of the user with this number, or the number.
pub(super) fn user(number: u32) -> String {
    find(&fs::read_to_string(ACCOUNTS).unwrap_or_default(), number).unwrap_or_else(|| number.to_string())
}

/// The name of the group with this number, or the number.
pub(super) fn group(number: u32) -> String {
    find(&fs::read_to_string("/etc/group").unwrap_or_default(), number).unwrap_or_else(|| number.to_string())
}

/// The name for this number, which both files have in the third column.
fn find(accounts: &str, number: u32) -> Option<String> {
    let mut lines = accounts.lines().map(|line| line.split(':'));
    let found = lines.find_map(|mut columns| {
        let name = columns.next()?;
        (columns.nth(1)?.parse() == Ok(number)).then(|| one_line(name, MAX_NAME))
    });
    found.filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_name_is_one_short_line() {
        let accounts = "root:x:0:0:root:/:/bin/sh\nbroken\nalice:x:1000:1000::/:/bin/sh\n";
        let table = [
            (None, 0, "root"),
            (None, 1000, "alice"),
            (None, 7, "uid 7"),
            (Some("bob"), 0, "bob"),
            (Some(""), 0, "root"),
            (Some("a\nb\u{1b}[2J"), 0, "a b [2J"),
        ];
        for (caller, user, expected) in table {
            assert_eq!(name(caller, accounts, user), expected);
        }
        assert_eq!(name(Some(&"x".repeat(500)), accounts, 0).chars().count(), MAX_NAME);
    }
}
