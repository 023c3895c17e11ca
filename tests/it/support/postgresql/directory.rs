//! A temporary directory that disappears with the process of the tests, also when that is killed.

use super::programs;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A disk in memory that Linux systems have, and the free bytes there that are enough.
const MEMORY: &str = "/dev/shm";
const ROOM: u64 = 2 << 30;

/// Waits for the end of its input, which comes when the directory is dropped or the process of the tests is gone. Then
/// removes what a killed server leaves: its shared memory, whose number is in line 7 of `postmaster.pid`; the mounted disk;
/// and the directory, once the server is gone that writes into it.
const JANITOR: &str = r#"
cat >/dev/null
for file in "$1"/data/postmaster.pid "$1"/disk/data/postmaster.pid; do
    [ ! -e "$file" ] || ipcrm -m "$(sed -n '7s/.* //p' "$file")"
done
[ ! -d "$1/disk" ] || umount -l "$1/disk"
tries=0
until rm -rf -- "$1" || [ "$tries" -ge 100 ]; do tries=$((tries + 1)); sleep 0.1; done
"#;

/// Where there is room for many clusters: in memory if possible, where a
/// cluster starts within 0.1 s however busy the disk is.
fn place() -> PathBuf {
    let has_room = rustix::fs::statvfs(MEMORY).is_ok_and(|disk| disk.f_bavail * disk.f_frsize > ROOM);
    if has_room { PathBuf::from(MEMORY) } else { std::env::temp_dir() }
}

/// A directory of the server's user.
pub(super) struct Directory {
    path: PathBuf,
    janitor: Child,
}

impl Directory {
    pub(super) fn new() -> Directory {
        Directory::below(&place())
    }

    /// A directory on the disk of temporary files, for measurements.
    pub(super) fn on_disk() -> Directory {
        Directory::below(&std::env::temp_dir())
    }

    fn below(place: &Path) -> Directory {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let path = loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = place.join(format!("opterius-postgresql-{}-{number}", std::process::id()));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => break path,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => panic!("cannot create {}: {error}", path.display()),
            }
        };
        let mut command = Command::new("sh");
        command.args(["-c", JANITOR, "sh"]).arg(&path).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let janitor = command.spawn().unwrap();
        programs::give_to_server_user(&path);
        Directory { path, janitor }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Mounts a disk of this size at `disk` in the directory.
    pub(super) fn mount_disk(&self, megabytes: u32) -> PathBuf {
        assert!(programs::is_root(), "only root can mount a small disk");
        let disk = self.path.join("disk");
        fs::create_dir(&disk).unwrap();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("mode=0700,size={megabytes}m"), "opterius-postgresql"]).arg(&disk);
        programs::run(command);
        programs::give_to_server_user(&disk);
        disk
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(self.janitor.stdin.take());
        let _ = self.janitor.wait();
    }
}
