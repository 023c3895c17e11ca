//! The mounts that this process sees, from mountinfo, see proc_pid_mountinfo(5). Tenants choose the names of the directories
//! on which they mount a FUSE file system.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::lines;

/// A mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it is mounted.
    pub point: PathBuf,
    /// The user who mounted it, for a FUSE file system.
    pub user: Option<u32>,
}

/// All mounts, in the order in which they were made.
pub fn all() -> Vec<Mount> {
    lines::read("/proc/self/mountinfo".as_ref()).map(|bytes| parse(&bytes)).unwrap_or_default()
}

/// Parses mountinfo.
pub fn parse(bytes: &[u8]) -> Vec<Mount> {
    lines::of(bytes).filter_map(mount).collect()
}

fn mount(line: &[u8]) -> Option<Mount> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let (&point, options) = (fields.get(4)?, fields.last()?);
    // After the optional fields, a single hyphen; then the type.
    let separator = fields.iter().skip(6).position(|field| *field == b"-")?.checked_add(6)?;
    let is_fuse = fields.get(separator.checked_add(1)?)?.starts_with(b"fuse");
    let user = options.split(|byte| *byte == b',').find_map(|option| option.strip_prefix(b"user_id="));
    let user = user.filter(|_| is_fuse).and_then(lines::number);
    Some(Mount { point: PathBuf::from(OsString::from_vec(unescape(point))), user })
}

/// Replaces `\040` and the like with the byte.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn the_user_of_a_fuse_mount_and_any_name_are_read() {
        let mountinfo = b"\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
24 22 0:44 / /home/alice/a\\040\\134b\xff rw,nosuid shared:2 master:3 - fuse.sshfs user_id=7 rw,user_id=1001,group_id=1001
25 22 0:45 / /srv/x rw - tmpfs none rw,user_id=1001
26 22 0:46 / /srv/- rw - fuse none rw,user_id=\xff
truncated
";
        let mounts = parse(mountinfo);
        let found: Vec<(&[u8], Option<u32>)> =
            mounts.iter().map(|mount| (mount.point.as_os_str().as_bytes(), mount.user)).collect();
        assert_eq!(
            found,
            [(&b"/"[..], None), (b"/home/alice/a \\b\xff", Some(1001)), (b"/srv/x", None), (b"/srv/-", None)]
        );
    }
}
