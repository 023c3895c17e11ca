//! The user that the program runs as.

use std::fs;
use std::path::PathBuf;

use rustix::process::geteuid;

/// The user that the program runs as.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    /// The name, if there is one.
    pub(super) name: Option<String>,
    /// The home directory.
    pub(super) home: Option<PathBuf>,
}

impl Account {
    /// The user of this process, as /etc/passwd has it.
    pub(super) fn of_this_process() -> Self {
        let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
        Self { name: name(&accounts, geteuid().as_raw()), home: std::env::home_dir() }
    }
}

fn name(accounts: &str, number: u32) -> Option<String> {
    accounts.lines().find_map(|line| {
        let mut columns = line.split(':');
        let name = columns.next()?;
        (columns.nth(1)?.parse() == Ok(number)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_in_the_line_with_the_number() {
        let accounts = "root:x:0:0:root:/:/bin/sh\nbroken\nalice:x:1000:1:::\n";
        for (number, expected) in [(0, Some("root")), (1000, Some("alice")), (1, None)] {
            assert_eq!(name(accounts, number).as_deref(), expected);
        }
    }
}
