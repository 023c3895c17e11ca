//! systemd's socket for notifications, to which every process can write. systemd reads it before anything else, so that a
//! tenant who fills it keeps systemd from everything, and with it nginx, sshd and others, which ask systemd for users. An
//! access control list closes it to accounts, and so it does with those to which a flood of connections has the same effect.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use log::warn;
use rustix::fs::{XattrFlags, getxattr, setxattr};
use rustix::io::Errno;

use opterius_host::layout::ACCOUNTS_GROUP;
use opterius_host::lines;

const SOCKETS: [&str; 4] = [
    "/run/systemd/notify",
    "/run/systemd/journal/stdout",
    "/run/systemd/io.system.ManagedOOM",
    "/run/systemd/userdb/io.systemd.DynamicUser",
];

/// The setting for users' service managers, and where the package installs it.
const DROP_IN: &str = "/run/systemd/system/user@.service.d/50-opterius.conf";
const PACKAGED_DROP_IN: &str = "/usr/lib/systemd/system/user@.service.d/50-opterius.conf";

/// The attribute with the list, in the kernel's format: its version, then eight bytes for each entry.
const ATTRIBUTE: &str = "system.posix_acl_access";
const VERSION: [u8; 4] = 2_u32.to_le_bytes();

/// The tags of entries, see acl(5), and the number of those that have none.
const OWNER: u16 = 0x01;
const OWNING_GROUP: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHERS: u16 = 0x20;
const NO_NUMBER: u32 = u32::MAX;

/// Largest list that is read, in bytes.
const MAX_LIST: usize = 4096;

/// Closes the sockets of this machine to accounts, until systemd makes new ones. Returns whether one was open.
pub fn close_to_accounts() -> bool {
    let Some(group) = accounts_group() else { return false };
    let was_open = SOCKETS.map(|socket| match deny(Path::new(socket), group) {
        Ok(was_open) => {
            if was_open {
                warn!("systemd does not answer, so {socket} was closed to accounts until the next start of the server");
            }
            was_open
        }
        // An older systemd has not all of them.
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => {
            warn!("{socket} cannot be closed to accounts: {error}");
            false
        }
    });
    let was_open = was_open.contains(&true);
    if was_open && let Err(error) = tell_user_managers() {
        warn!("{DROP_IN}: {error}");
    }
    was_open
}

/// Makes systemd not wait for a report on that socket from the service managers of users. The package has the same file.
fn tell_user_managers() -> io::Result<()> {
    if Path::new(PACKAGED_DROP_IN).exists() {
        return Ok(());
    }
    let path = Path::new(DROP_IN);
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(path, "[Service]\nType=simple\n")
}

fn accounts_group() -> Option<u32> {
    let bytes = lines::read(Path::new("/etc/group")).ok()?;
    let group = |line: &[u8]| {
        let mut fields = line.split(|byte| *byte == b':');
        (fields.next()? == ACCOUNTS_GROUP.as_bytes()).then(|| lines::number(fields.nth(1)?)).flatten()
    };
    lines::of(&bytes).find_map(group)
}

/// An entry of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    tag: u16,
    number: u32,
    permissions: u16,
}

/// Denies a group all access. Returns whether it had some.
fn deny(path: &Path, group: u32) -> io::Result<bool> {
    let mut buffer = [0; MAX_LIST];
    let mut entries = match getxattr(path, ATTRIBUTE, &mut buffer) {
        Ok(length) => parse(buffer.get(..length).unwrap_or_default())?,
        Err(Errno::NODATA) => of_mode(fs::metadata(path)?.permissions().mode()),
        Err(error) => return Err(error.into()),
    };
    let denial = Entry { tag: GROUP, number: group, permissions: 0 };
    if entries.contains(&denial) {
        return Ok(false);
    }
    entries.retain(|entry| (entry.tag, entry.number) != (GROUP, group));
    entries.push(denial);
    if !entries.iter().any(|entry| entry.tag == MASK) {
        entries.push(Entry { tag: MASK, number: NO_NUMBER, permissions: 0o7 });
    }
    entries.sort_unstable();
    setxattr(path, ATTRIBUTE, &format(&entries), XattrFlags::empty())?;
    Ok(true)
}

/// The entries that a mode stands for.
fn of_mode(mode: u32) -> Vec<Entry> {
    let entry = |tag, shift: u32| Entry {
        tag,
        number: NO_NUMBER,
        permissions: u16::try_from(mode.wrapping_shr(shift) & 0o7).unwrap_or(0),
    };
    vec![entry(OWNER, 6), entry(OWNING_GROUP, 3), entry(OTHERS, 0)]
}

fn parse(bytes: &[u8]) -> io::Result<Vec<Entry>> {
    let unknown = || io::Error::other("its access control list has an unknown format");
    let rest = bytes.strip_prefix(&VERSION).ok_or_else(unknown)?;
    let (chunks, []) = rest.as_chunks::<8>() else { return Err(unknown()) };
    let entry = |[t0, t1, p0, p1, n0, n1, n2, n3]: &[u8; 8]| Entry {
        tag: u16::from_le_bytes([*t0, *t1]),
        permissions: u16::from_le_bytes([*p0, *p1]),
        number: u32::from_le_bytes([*n0, *n1, *n2, *n3]),
    };
    Ok(chunks.iter().map(entry).collect())
}

fn format(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = VERSION.to_vec();
    for entry in entries {
        bytes.extend(entry.tag.to_le_bytes());
        bytes.extend(entry.permissions.to_le_bytes());
        bytes.extend(entry.number.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_keeps_its_other_entries() {
        let mut entries = of_mode(0o140_754);
        let permissions: Vec<u16> = entries.iter().map(|entry| entry.permissions).collect();
        assert_eq!(permissions, [7, 5, 4]);
        entries.push(Entry { tag: GROUP, number: 1000, permissions: 6 });
        assert_eq!(parse(&format(&entries)).unwrap(), entries);
        for bytes in [&b""[..], b"\x01\0\0\0", b"\x02\0\0\0\x01"] {
            assert!(parse(bytes).is_err(), "{bytes:?}");
        }
    }
}
