//! The daemon's process, as /proc shows it. Only root sees all of it. What the process itself controls, its files above all,
//! is read without blocking and within limits.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::doctor::system::System;
use crate::license::client::proxy::ProxyVariables;
use opterius_base::files;

/// The longest command line and the largest file that are read, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// The daemon's process.
#[derive(Clone, Copy)]
pub struct Process<'a> {
    system: &'a System<'a>,
    /// Its process id.
    pub id: u32,
}

impl<'a> Process<'a> {
    /// The process with this id.
    pub fn new(system: &'a System<'a>, id: u32) -> Self {
        Self { system, id }
    }

    fn path(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.id)
    }

    /// Its users: real, effective, saved and for files; none if it has ended.
    pub fn users(&self) -> Vec<u32> {
        let status = self.system.read(&self.path("status"));
        let users = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
        users.split_ascii_whitespace().filter_map(|uid| uid.parse().ok()).collect()
    }

    /// The proxies in the environment that it was started with; `None` if hidden.
    pub fn proxy_variables(&self) -> Option<ProxyVariables> {
        ProxyVariables::of(&self.system.path(&self.path("environ")))
    }

    /// The configuration file that its command line names.
    pub fn config_path(&self) -> Option<PathBuf> {
        let line = files::read(&self.system.path(&self.path("cmdline")), MAX_FILE).ok()?;
        let mut words = line.split(|byte| *byte == 0);
        words.find(|word| *word == b"--config")?;
        Some(PathBuf::from(OsStr::from_bytes(words.next()?)))
    }

    /// Its mounts, as mountinfo.
    pub fn mounts(&self) -> String {
        self.system.read(&self.path("mountinfo"))
    }

    /// Whether this file, which this process can read, is another or none in the process's file system.
    pub fn sees_another(&self, file: &Path) -> bool {
        let theirs = Path::new(&self.path("root")).join(file.strip_prefix("/").unwrap_or(file));
        let read = |path: &Path| files::read(path, MAX_FILE).ok();
        let own = read(file);
        // Only root can look.
        self.system.is_root && own.is_some() && own != read(&self.system.path(&theirs.to_string_lossy()))
    }

    /// Whether it is in another network namespace than this process.
    pub fn has_other_network(&self) -> bool {
        let [own, other] = ["/proc/self/ns/net", &self.path("ns/net")].map(|path| self.metadata(path));
        own.zip(other).is_some_and(|(own, other)| (own.dev(), own.ino()) != (other.dev(), other.ino()))
    }

    /// Whether its program was replaced since it started: then no name leads to its file any more.
    pub fn is_replaced(&self) -> bool {
        self.metadata(&self.path("exe")).is_some_and(|program| program.nlink() == 0)
    }

    fn metadata(&self, path: &str) -> Option<Metadata> {
        fs::metadata(self.system.path(path)).ok()
    }
}
