//! What an account leaves outside of its home: temporary files, mounts, System V IPC objects and message queues, and files
//! of login programs. What cannot be removed is a warning; it fails nothing.

use std::collections::BTreeMap;
use std::ffi::{CStr, OsStr};
use std::fs;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, Dir, Mode, OFlags, openat};

use crate::systemctl;
use crate::tree;
use crate::users::run_as_user;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::layout::SHARED_TEMPORARY;
use opterius_host::lines;
use opterius_host::mounts::{self, Mount};
use opterius_host::request::values::Username;
use opterius_host::tool::Tool;
use opterius_host::users::register::{FIRST_UID, User};
use opterius_host::users::subordinate_ids;

/// Time limit for files, regardless of the operation's deadline.
const TIME: Duration = Duration::from_secs(8);

/// Time limit for IPC objects.
const IPC_TIME: Duration = Duration::from_secs(5);

/// How many IPC objects one program removes: an account can have all 32,000 of the server.
const IPC_BATCH: usize = 500;

/// Time limit for one program.
const TOOL_TIME: Duration = Duration::from_secs(3);

/// Directories in which every user can create files.
const SHARED: [&str; 10] = [
    "/tmp",
    "/var/tmp",
    "/dev/shm",
    "/dev/mqueue",
    "/run/lock",
    "/run/screen",
    "/run/screens",
    "/run/tmux",
    "/var/crash",
    "/var/lib/php/sessions",
];

/// Directories in which login programs keep a file or directory with the name of each user.
const BY_NAME: [&str; 5] = ["/var/mail", "/run/sudo/ts", "/var/lib/sudo/ts", "/var/lib/sudo/lectured", "/run/faillock"];

/// How deep directories of others are searched, in levels.
const MAX_DEPTH: usize = 12;

/// The uids of an account.
pub struct Owner {
    uid: u32,
    gid: u32,
    subordinate: Vec<Range<u32>>,
}

impl Owner {
    /// The ids of a user, which must still exist.
    pub fn of(host: &Host, user: &User) -> Self {
        Self { uid: user.uid, gid: user.gid, subordinate: subordinate_ids::of(host, user) }
    }

    fn includes(&self, uid: u32) -> bool {
        uid == self.uid || self.subordinate.iter().any(|range| range.contains(&uid))
    }
}

/// Removes what the account left, after its processes have ended. Returns warnings.
pub fn remove(host: &Host, username: &Username, owner: &Owner) -> Vec<String> {
    let mut warnings = Vec::new();
    if host.is_machine() {
        warnings.extend(remove_ipc(owner, Deadline::within(IPC_TIME)));
    }
    let deadline = Deadline::within(TIME);
    for of_others in [false, true] {
        let mut sweep = Sweep { owner, of_others, deadline, failed: None };
        for (shown, path) in SHARED_TEMPORARY.iter().chain(&SHARED.map(|path| (path, path))) {
            sweep.directory(&host.path(path), Path::new(shown));
        }
        warnings.extend(sweep.failed);
    }
    warnings.dedup();
    let by_name = BY_NAME.iter().map(|directory| host.path(directory).join(username.as_str()));
    for path in by_name.chain([host.path("/run/user").join(owner.uid.to_string())]) {
        warnings.extend(tree::remove(&path, deadline).err().map(|problem| problem.message()));
    }
    warnings
}

/// Unmounts the FUSE file systems that the account has mounted. Returns a warning for each that stays.
pub fn unmount(host: &Host, owner: &Owner, deadline: Deadline) -> Vec<String> {
    if !host.is_machine() {
        return Vec::new();
    }
    let own = || mounts::all().into_iter().filter(|mount| mount.user.is_some_and(|user| owner.includes(user)));
    let run = |tool: Result<Tool, _>| tool.and_then(|tool| tool.run(deadline.sooner(TOOL_TIME)).map(drop));
    for Mount { point, .. } in own().collect::<Vec<_>>().iter().rev() {
        // The path is not resolved: that would ask the file system, whose process has ended.
        let _ = run(Tool::named("umount").map(|tool| tool.args(["--lazy", "--no-canonicalize", "--"]).arg(point)));
    }
    // In its sandbox, the helper cannot unmount, but systemd can.
    for Mount { point, .. } in own().collect::<Vec<_>>().iter().rev().filter(|_| host.has_systemd()) {
        let _ = systemctl::run([OsStr::new("stop"), OsStr::new("--"), point.as_os_str()], deadline);
    }
    let left = own().map(|Mount { point, .. }| {
        format!("{0} is still mounted. Unmount it: umount --lazy --no-canonicalize {0}", point.display())
    });
    left.collect()
}

/// A search of shared directories for files of an account.
struct Sweep<'a> {
    owner: &'a Owner,
    /// Whether to search the directories of other users in which all can write, too. That comes last, because another tenant
    /// can make that search as long as it likes.
    of_others: bool,
    deadline: Deadline,
    failed: Option<String>,
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

impl Sweep<'_> {
    /// Searches a directory that only root can replace. A warning shows another path for it.
    fn directory(&mut self, path: &Path, shown: &Path) {
        if let Ok(directory) = openat(CWD, path, DIRECTORY, Mode::empty()) {
            self.search(&directory, shown, MAX_DEPTH);
        }
    }

    fn search(&mut self, directory: &OwnedFd, path: &Path, depth: usize) {
        let Ok(entries) = Dir::read_from(directory) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if self.deadline.is_over() {
                self.failed.get_or_insert_with(|| {
                    format!(
                        "Not all files of uid {0} in shared directories were deleted in time. Run: find {1} -uid {0} -delete",
                        self.owner.uid,
                        SHARED.join(" ")
                    )
                });
                return;
            }
            self.entry(directory, path, name, depth);
        }
    }

    fn entry(&mut self, directory: &OwnedFd, path: &Path, name: &CStr, depth: usize) {
        // A file system of another tenant's may not answer, and its owners are what it says.
        let Ok(found) = tree::metadata_at(directory, name) else { return };
        if tree::is_mount_point(&found) {
            return;
        }
        let path = path.join(name.to_string_lossy().as_ref());
        if self.owner.includes(found.stx_uid) {
            if let Err(error) = tree::remove_at(directory, name, self.deadline) {
                self.failed.get_or_insert(format!("{} was not deleted: {error}. Run: rm -rf {0}", path.display()));
            }
            return;
        }
        let is_searched =
            if found.stx_uid < FIRST_UID { !self.of_others } else { self.of_others && found.stx_mode & 0o002 != 0 };
        if tree::is_directory(&found)
            && is_searched
            && let Some(depth) = depth.checked_sub(1)
            && let Ok(Some(below)) = tree::open_below(directory, name)
        {
            self.search(&below, &path, depth);
        }
    }
}

/// The tables of System V IPC objects, and the option of ipcrm(1) for each.
const IPC: [(&str, &str); 3] =
    [("/proc/sysvipc/shm", "--shmem-id"), ("/proc/sysvipc/sem", "--semaphore-id"), ("/proc/sysvipc/msg", "--queue-id")];

/// Removes the account's System V IPC objects, as their owner: root would need another privilege.
fn remove_ipc(owner: &Owner, deadline: Deadline) -> Option<String> {
    let objects = || {
        IPC.iter().flat_map(|(table, option)| {
            let bytes = fs::read(table).unwrap_or_default();
            let own = ipc_objects(&bytes).into_iter().filter(|object| owner.includes(object.uid));
            own.map(|object| (*option, object)).collect::<Vec<_>>()
        })
    };
    let mut by_uid: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for (option, IpcObject { id, uid }) in objects() {
        by_uid.entry(uid).or_default().push(format!("{option}={id}"));
    }
    for (uid, options) in by_uid {
        for batch in options.chunks(IPC_BATCH).take_while(|_| !deadline.is_over()) {
            let batch = batch.to_vec();
            let remove = move || Tool::named("ipcrm")?.args(batch).run(deadline.sooner(TOOL_TIME)).map(drop);
            let _ = run_as_user::run_as(uid, owner.gid, "ipcrm", deadline, remove);
        }
    }
    let (option, IpcObject { id, .. }) = objects().next()?;
    let left = objects().count();
    Some(format!(
        "{left} IPC objects of uid {uid} were not removed. To list them, run: grep -w {uid} /proc/sysvipc/*. To remove the first, run: \
         ipcrm {option} {id}",
        uid = owner.uid
    ))
}

/// An IPC object.
#[derive(Debug, PartialEq, Eq)]
struct IpcObject {
    id: u64,
    uid: u32,
}

/// The objects in a table, each once for its owner and once for its creator.
fn ipc_objects(table: &[u8]) -> Vec<IpcObject> {
    let mut rows =
        lines::of(table).filter_map(|line| Some(lines::field(line)?.split_ascii_whitespace().collect::<Vec<_>>()));
    let Some(head) = rows.next() else { return Vec::new() };
    let column = |name: &str| head.iter().position(|field| *field == name);
    let (Some(owner), Some(creator)) = (column("uid"), column("cuid")) else { return Vec::new() };
    let objects = rows.flat_map(|row| {
        let id = row.get(1).and_then(|id| id.parse().ok());
        let uid = |column: usize| row.get(column).and_then(|uid| uid.parse().ok());
        let uids = [uid(owner), uid(creator).filter(|creator| uid(owner) != Some(*creator))];
        uids.into_iter().flatten().filter_map(|uid| Some(IpcObject { id: id?, uid })).collect::<Vec<_>>()
    });
    objects.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipc_objects_are_those_of_owner_and_creator() {
        let table = b"       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n\
                      1234          3   600          1  1001  1001  1001  1001          0  1700000000\n\
                      0          4   600          1  1002  1001  1001  1001          0  1700000000\n\
                      broken\n";
        let object = |id, uid| IpcObject { id, uid };
        assert_eq!(ipc_objects(table), [object(3, 1001), object(4, 1002), object(4, 1001)]);
        assert_eq!(ipc_objects(b""), []);
    }
}
