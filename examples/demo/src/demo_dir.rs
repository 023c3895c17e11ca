//! Where the demo lives: one directory below the build directory, its own and nobody else's.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;

use opterius_license_server::commands::failure::Failure;

/// Marks the directory as a demo's, and is locked while one runs.
const MARK: &str = ".opterius-demo";

/// What cargo puts into every build directory (<https://bford.info/cachedir/>).
const CACHE_MARK: &str = "CACHEDIR.TAG";

/// The demo's directory, which no other demo uses meanwhile.
pub(super) struct DemoDir {
    directory: PathBuf,
    _lock: File,
}

impl DemoDir {
    /// Makes the directory, or takes over the one of an earlier demo.
    pub(super) fn take() -> Result<Self, Failure> {
        let directory = build_directory()?.join("demo");
        Self::take_at(&directory)
    }

    fn take_at(directory: &Path) -> Result<Self, Failure> {
        let shown = directory.display();
        let failed = |error: io::Error| Failure::refused(format!("{shown}: {error}"));
        let foreign = || {
            Failure::refused(format!(
                "{shown}: is there, and no demo has made it. Nothing was changed; move it away and start the demo again"
            ))
        };
        if let Ok(found) = fs::symlink_metadata(directory) {
            let is_empty = || fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none());
            if found.is_dir() && found.uid() != geteuid().as_raw() {
                return Err(Failure::refused(format!(
                    "{shown}: belongs to user {}. Delete it as that user, or run the demo as that user",
                    found.uid()
                )));
            }
            if !found.is_dir() || !(is_empty() || directory.join(MARK).is_file()) {
                return Err(foreign());
            }
            fs::set_permissions(directory, Permissions::from_mode(0o700)).map_err(failed)?;
        } else {
            fs::create_dir_all(directory.parent().unwrap_or(directory)).map_err(failed)?;
            DirBuilder::new().mode(0o700).create(directory).map_err(failed)?;
        }
        let mark = directory.join(MARK);
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
                "{shown}: a demo runs here already (process {holder}). End it with Ctrl-C where it runs, or with: kill {holder}"
            )));
        }
        lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(failed)?;
        Ok(Self { directory: directory.to_owned(), _lock: lock })
    }

    /// Deletes what an earlier demo has left.
    pub(super) fn clear(&self) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure::refused(format!("{}: {error}", self.directory.display()));
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_name() == MARK {
                continue;
            }
            let is_directory = entry.file_type().map_err(failed)?.is_dir();
            let path = entry.path();
            if is_directory { fs::remove_dir_all(path) } else { fs::remove_file(path) }.map_err(failed)?;
        }
        Ok(())
    }

    /// The directory.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A file or directory in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes a file that only its owner reads.
    pub(super) fn write(&self, name: &str, mode: u32, text: &str) -> Result<PathBuf, Failure> {
        let path = self.path(name);
        let written = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
        written
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| Failure::refused(format!("{}: {error}", path.display())))?;
        Ok(path)
    }
}

/// The build directory that this program is in, else the one of the crate that we are in.
fn build_directory() -> Result<PathBuf, Failure> {
    let program = env::current_exe().unwrap_or_default();
    // target/release/program, or target/<triple>/release/program.
    let above = program.ancestors().skip(2).take(2).find(|directory| directory.join(CACHE_MARK).is_file());
    if let Some(directory) = above {
        return Ok(directory.to_owned());
    }
    match env::current_dir() {
        Ok(directory) if directory.join("Cargo.toml").is_file() => Ok(directory.join("target")),
        _ => Err(Failure::refused(
            "the demo lives in a build directory of cargo, and this is none. Run it in the source directory: cargo demo",
        )),
    }
}

/// A path as it is shortest from where we are.
pub(super) fn shortest(path: &Path) -> String {
    let from_here = env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    from_here.as_deref().unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of one test, gone when the test is over.
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
    fn an_earlier_demo_is_replaced_and_two_never_run_at_once() {
        let scratch = Scratch::new("twice");
        let directory = scratch.0.join("target/demo");
        let first = DemoDir::take_at(&directory).unwrap();
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
        let sentence = DemoDir::take_at(&directory).err().unwrap().sentence;
        assert!(sentence.contains(&format!("runs here already (process {})", std::process::id())), "{sentence}");
        first.write("agent.conf", 0o600, "secret=x\n").unwrap();
        fs::create_dir(first.path("root")).unwrap();
        drop(first);
        let second = DemoDir::take_at(&directory).unwrap();
        second.clear().unwrap();
        let left: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [MARK]);
    }

    #[test]
    fn what_no_demo_has_made_is_left_alone() {
        let scratch = Scratch::new("foreign");
        let full = scratch.0.join("full");
        fs::create_dir(&full).unwrap();
        fs::write(full.join("thesis.txt"), "years").unwrap();
        let link = scratch.0.join("link");
        std::os::unix::fs::symlink(&full, &link).unwrap();
        let file = scratch.0.join("file");
        fs::write(&file, "").unwrap();
        for path in [full.clone(), link, file] {
            let sentence = DemoDir::take_at(&path).err().unwrap().sentence;
            assert!(sentence.contains("no demo has made it"), "{sentence}");
        }
        assert_eq!(fs::read_to_string(full.join("thesis.txt")).unwrap(), "years");
        let empty = scratch.0.join("empty");
        fs::create_dir(&empty).unwrap();
        assert!(DemoDir::take_at(&empty).is_ok(), "an empty directory is nobody's loss");
    }
}
