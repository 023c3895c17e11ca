//! The daemon's process, as /proc shows it. Only root sees all of it.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::doctor::system::System;
use crate::license::client::proxy::ProxyVariables;

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

    /// The proxies in the environment that it was started with; `None` if hidden.
    pub fn proxy_variables(&self) -> Option<ProxyVariables> {
        ProxyVariables::of(&self.system.path(&self.path("environ")))
    }

    /// The configuration file that its command line names.
    pub fn config_path(&self) -> Option<PathBuf> {
        let line = fs::read(self.system.path(&self.path("cmdline"))).ok()?;
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
        let own = fs::read(file).ok();
        // Only root can look.
        self.system.is_root && own.is_some() && own != fs::read(self.system.path(&theirs.to_string_lossy())).ok()
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
