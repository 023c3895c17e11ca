//! Subordinate ids, see subuid(5) and subgid(5): ranges that a user can assign to processes in its user namespaces.

use std::ops::Range;

use crate::host::Host;
use crate::lines;
use crate::users::register::User;

/// The file with the ranges of uids.
const UIDS: &str = "/etc/subuid";

/// The ranges of a user.
///
/// A file that cannot be read grants none: newuidmap(1) reads the same file.
pub fn of(host: &Host, user: &User) -> Vec<Range<u32>> {
    lines::read(&host.path(UIDS)).map(|bytes| parse(&bytes, user)).unwrap_or_default()
}

/// The ranges of a user in the content of subuid(5), whose lines name the owner or its uid. Ids of the system are never
/// in a range.
pub fn parse(bytes: &[u8], user: &User) -> Vec<Range<u32>> {
    let lines = lines::parse(UIDS, bytes, line);
    let is_own = |owner: &[u8]| owner == user.name.as_bytes() || lines::number(owner) == Some(user.uid);
    lines.into_iter().filter(|(owner, _)| is_own(owner)).map(|(_, range)| range).collect()
}

fn line(line: &[u8]) -> Option<(Vec<u8>, Range<u32>)> {
    let mut fields = line.split(|byte| *byte == b':');
    let (owner, first, count) = (fields.next()?, fields.next()?, fields.next()?);
    let first: u32 = lines::number(first)?;
    let end = first.saturating_add(lines::number(count)?);
    Some((owner.to_vec(), first.max(LOWEST)..end.max(LOWEST)))
}

/// Lowest id that is treated as subordinate: below are the host's own users, whatever the file says.
const LOWEST: u32 = 65_536;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::register::Register;

    #[test]
    fn ranges_belong_to_a_name_or_a_uid() {
        let alice = Register::parse("alice:x:1001:1001::/home/alice:/bin/sh\n", "").users.remove(0);
        type Row<'a> = (&'a [u8], &'a [(u32, u32)]);
        let table: [Row<'_>; 7] = [
            (b"alice:100000:65536\nbob:165536:65536\n1001:300000:10\n", &[(100_000, 165_536), (300_000, 300_010)]),
            (b"\xff\nalice:100000:1", &[(100_000, 100_001)]),
            (b"alice:0:100000\n", &[(65_536, 100_000)]),
            (b"alice:1000:5\n", &[(65_536, 65_536)]),
            (b"alice:4294967290:4294967290\n", &[(4_294_967_290, u32::MAX)]),
            (b"alice:x:1\nalice:1\nalice\n:1:1\n", &[]),
            (b"", &[]),
        ];
        for (bytes, expected) in table {
            let found: Vec<(u32, u32)> = parse(bytes, &alice).iter().map(|range| (range.start, range.end)).collect();
            assert_eq!(found, expected, "{}", lines::lossy(bytes));
        }
    }
}
