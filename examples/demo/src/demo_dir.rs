//! The demo directory, which is in the build directory and locked while a demo runs.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;

use opterius_license_server::commands::failure::Failure;

/// Marks the directory as created by a demo; locked while a demo runs.
const MARKER: &str = ".opterius-demo";

/// The file that cargo puts into every build directory (<https://bford.info/cachedir/>).
const CACHEDIR_TAG: &str = "CACHEDIR.TAG";

/// The locked demo directory.
pub(super) struct DemoDir {
    directory: PathBuf,
    _lock: File,
}

impl DemoDir {
    /// Creates the directory, or reuses that of an earlier demo, and locks it.
    pub(super) fn lock() -> Result<Self, Failure> {
        let directory = build_directory()?.join("demo");
        Self::lock_at(&directory)
    }

    fn lock_at(directory: &Path) -> Result<Self, Failure> {
        let display = directory.display();
        let failed = |error: io::Error| Failure::refused(format!("{display}: {error}"));
        let foreign = || {
            Failure::refused(format!(
                "{display}: exists, but was not created by a demo. Nothing was changed; move it away and start the demo again"
            ))
        };
        if let Ok(found) = fs::symlink_metadata(directory) {
            let is_empty = || fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none());
            if found.is_dir() && found.uid() != geteuid().as_raw() {
                return Err(Failure::refused(format!(
                    "{display}: belongs to user {}. Delete it as that user, or run the demo as that user",
                    found.uid()
                )));
            }
            if !found.is_dir() || !(is_empty() || directory.join(MARKER).is_file()) {
                return Err(foreign());
            }
            fs::set_permissions(directory, Permissions::from_mode(0o700)).map_err(failed)?;
        } else {
            fs::create_dir_all(directory.parent().unwrap_or(directory)).map_err(failed)?;
            DirBuilder::new().mode(0o700).create(directory).map_err(failed)?;
        }
        let mark = directory.join(MARKER);
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&mark)
            .map_err(failed)?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            let holder = fs::read_to_string(&mark).unwrap_or_default();
            let holder = holder.trim();
            return Err(Failure::refused(format!(
                "{display}: a demo is already running here (process {holder}). Stop it with Ctrl-C in its terminal, or run: kill {holder}"
            )));
        }
        lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(failed)?;
        Ok(Self { directory: directory.to_owned(), _lock: lock })
    }

    /// Deletes the files of an earlier demo.
    pub(super) fn clear(&self) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure::refused(format!("{}: {error}", self.directory.display()));
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_name() == MARKER {
                continue;
            }
            let is_directory = entry.file_type().map_err(failed)?.is_dir();
            let path = entry.path();
            if is_directory { fs::remove_dir_all(path) } else { fs::remove_file(path) }.map_err(failed)?;
        }
        Ok(())
    }

    /// The path of the directory.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The path of a file in the directory.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Creates a file with this mode.
    pub(super) fn write(&self, name: &str, mode: u32, text: &str) -> Result<PathBuf, Failure> {
        let path = self.path(name);
        let written = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
        written
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| Failure::refused(format!("{}: {error}", path.display())))?;
        Ok(path)
    }
}

/// The build directory that contains this program, otherwise that of the crate in the current directory.
fn build_directory() -> Result<PathBuf, Failure> {
    let program = env::current_exe().unwrap_or_default();
    // target/release/program, or target/<triple>/release/program.
    let above = program.ancestors().skip(2).take(2).find(|directory| directory.join(CACHEDIR_TAG).is_file());
    if let Some(directory) = above {
        return Ok(directory.to_owned());
    }
    match env::current_dir() {
        Ok(directory) if directory.join("Cargo.toml").is_file() => Ok(directory.join("target")),
        _ => {
            Err(Failure::refused("the demo needs a cargo build directory. Run it in the source directory: cargo demo"))
        }
    }
}

/// The path relative to the current directory, if it is below it.
pub(super) fn relative(path: &Path) -> String {
    let from_here = env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    from_here.as_deref().unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A temporary directory for a test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let directory = env::temp_dir().join(format!("opterius-demo-{}-{name}", std::process::id()));
            fs::create_dir_all(&directory).unwrap();
            Self(directory)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_demo_replaces_an_earlier_one_but_not_a_running_one() {
        let scratch = Scratch::new("twice");
        let directory = scratch.0.join("target/demo");
        let first = DemoDir::lock_at(&directory).unwrap();
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
        let sentence = DemoDir::lock_at(&directory).err().unwrap().sentence;
        assert!(sentence.contains(&format!("is already running here (process {})", std::process::id())), "{sentence}");
        first.write("agent.conf", 0o600, "secret=x\n").unwrap();
        fs::create_dir(first.path("root")).unwrap();
        drop(first);
        let second = DemoDir::lock_at(&directory).unwrap();
        second.clear().unwrap();
        let left: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [MARKER]);
    }

    #[test]
    fn a_foreign_directory_is_not_changed() {
        let scratch = Scratch::new("foreign");
        let full = scratch.0.join("full");
        fs::create_dir(&full).unwrap();
        fs::write(full.join("thesis.txt"), "years").unwrap();
        let link = scratch.0.join("link");
        std::os::unix::fs::symlink(&full, &link).unwrap();
        let file = scratch.0.join("file");
        fs::write(&file, "").unwrap();
        for path in [full.clone(), link, file] {
            let sentence = DemoDir::lock_at(&path).err().unwrap().sentence;
            assert!(sentence.contains("was not created by a demo"), "{sentence}");
        }
        assert_eq!(fs::read_to_string(full.join("thesis.txt")).unwrap(), "years");
        let empty = scratch.0.join("empty");
        fs::create_dir(&empty).unwrap();
        assert!(DemoDir::lock_at(&empty).is_ok(), "an empty directory can be used");
    }
}
