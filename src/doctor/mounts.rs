//! Mounts, parsed from mountinfo, see proc_pid_mountinfo(5).

use std::path::{Path, PathBuf};

/// A mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it is mounted.
    pub point: PathBuf,
    /// Whether the mount, or the file system on it, is read-only.
    pub is_read_only: bool,
}

impl Mount {
    /// The mount that holds `path`: of those above it, the deepest, and of several in one place, the last.
    pub fn holding(mountinfo: &str, path: &Path) -> Option<Self> {
        let mut holding: Option<Self> = None;
        for mount in mountinfo.lines().filter_map(Self::parse) {
            let is_deepest = holding.as_ref().is_none_or(|known| mount.point.starts_with(&known.point));
            if is_deepest && path.starts_with(&mount.point) {
                holding = Some(mount);
            }
        }
        holding
    }

    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(' ').collect();
        // After the ids of the mount and its parent, the device, and the root within the file system; the options of the
        // file system are last.
        let [_, _, _, _, point, options, .., last] = fields.as_slice() else { return None };
        let is_read_only = [options, last].iter().any(|options| options.split(',').any(|option| option == "ro"));
        // The kernel escapes a space as \040.
        Some(Self { point: PathBuf::from(point.split("\\040").collect::<Vec<_>>().join(" ")), is_read_only })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_and_latest_mount_holds_a_path() {
        let mountinfo = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
23 22 0:5 / /etc ro,nosuid - tmpfs none rw
24 22 8:1 /x /etc/opterius/license-cache.json rw - ext4 /dev/sda1 rw
25 22 0:6 / /srv/a\\040b rw master:3 - tmpfs none ro,size=4k
26 22 0:7 / /home ro - tmpfs none rw
27 22 0:8 / /home rw - tmpfs none rw
truncated
";
        let table = [
            ("/etc/opterius", "/etc", true),
            ("/etc/opterius/license-cache.json", "/etc/opterius/license-cache.json", false),
            ("/etcetera", "/", false),
            ("/srv/a b/c", "/srv/a b", true),
            ("/home/alice", "/home", false),
        ];
        for (path, point, is_read_only) in table {
            let expected = Mount { point: PathBuf::from(point), is_read_only };
            assert_eq!(Mount::holding(mountinfo, Path::new(path)), Some(expected), "{path}");
        }
        assert_eq!(Mount::holding("", Path::new("/etc")), None);
    }
}
