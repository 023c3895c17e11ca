//! The daemon's process, as /proc shows it. Only root sees all of it.

use std::fs;
use std::path::PathBuf;

use crate::doctor::system::System;

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

    fn link(&self, path: &str) -> Option<PathBuf> {
        fs::read_link(self.system.path(path)).ok()
    }

    /// The variables that it was started with, as `NAME=VALUE`, each with a NUL byte at its end; `None` if hidden.
    pub fn environment(&self) -> Option<Vec<u8>> {
        fs::read(self.system.path(&self.path("environ"))).ok()
    }

    /// Its mounts, as mountinfo.
    pub fn mounts(&self) -> String {
        self.system.read(&self.path("mountinfo"))
    }

    /// Whether it is in another network namespace than this process.
    pub fn has_other_network(&self) -> bool {
        let (own, other) = (self.link("/proc/self/ns/net"), self.link(&self.path("ns/net")));
        own.zip(other).is_some_and(|(own, other)| own != other)
    }

    /// Whether its program was replaced since it started.
    pub fn is_replaced(&self) -> bool {
        self.link(&self.path("exe")).is_some_and(|exe| exe.to_string_lossy().ends_with(" (deleted)"))
    }
}
