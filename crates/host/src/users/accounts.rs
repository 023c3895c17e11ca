//! The number of accounts, which are the members of the group `opterius-accounts`.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::layout::ACCOUNTS_GROUP;
use crate::lines;

/// How long a count is used before the group file is checked again.
const FRESH: Duration = Duration::from_secs(1);

/// The number of accounts, read again only when the group file has changed.
///
/// The front thread needs it, so it costs at most one `stat` per second of a file that the system caches.
#[derive(Debug, Default)]
pub struct AccountCount {
    checked_at: Option<Duration>,
    modified: Option<(SystemTime, u64)>,
    count: Option<u64>,
}

impl AccountCount {
    /// The number of accounts on the host below `root`; none if it cannot be determined. `now` is the time since boot.
    pub fn count(&mut self, root: &Path, now: Duration) -> Option<u64> {
        if self.checked_at.is_some_and(|at| now.saturating_sub(at) < FRESH) {
            return self.count;
        }
        self.checked_at = Some(now);
        let path = root.join("etc/group");
        let metadata =
            fs::metadata(&path).ok().filter(|metadata| metadata.is_file() && metadata.len() <= lines::MAX_FILE);
        let modified = metadata.and_then(|metadata| Some((metadata.modified().ok()?, metadata.len())));
        if modified.is_none() || modified != self.modified {
            self.modified = modified;
            self.count = modified.and_then(|_| lines::read(&path).ok()).map(|bytes| members(&bytes));
        }
        self.count
    }
}

/// The number of members of [`ACCOUNTS_GROUP`] in group(5); zero if there is no such group.
pub fn members(group: &[u8]) -> u64 {
    let line = lines::of(group).find_map(|line| line.strip_prefix(ACCOUNTS_GROUP.as_bytes())?.strip_prefix(b":"));
    let names = line.and_then(|line| line.rsplit(|byte| *byte == b':').next()).unwrap_or_default();
    let count = names.split(|byte| *byte == b',').filter(|name| !name.trim_ascii().is_empty()).count();
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_members_of_the_accounts_group_are_counted() {
        let table = [
            ("root:x:0:\nopterius-accounts:x:991:alice,bob,carol\n", 3),
            ("opterius-accounts:x:991:alice\n", 1),
            ("\u{fffd}\nopterius-accounts:x:991:alice\nx", 1),
            ("opterius-accounts:x:991:\n", 0),
            ("opterius-accounts-old:x:991:alice\n", 0),
            ("sudo:x:27:opterius-accounts\n", 0),
            ("", 0),
        ];
        for (text, expected) in table {
            assert_eq!(members(text.as_bytes()), expected, "{text}");
        }
    }
}
