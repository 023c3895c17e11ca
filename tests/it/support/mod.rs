//! Test support: a license server, the real daemon as a child process, and raw sockets to talk to it.
//!
//! Nothing here knows the expected responses; only the tests do.
#![allow(dead_code, reason = "not every test binary uses all of it")]

pub mod agent;
pub mod browser;
pub mod engine;
pub mod fake_license_server;
pub mod http;
pub mod license_database;
pub mod license_server_process;
pub mod machine;
pub mod network;
pub mod nginx;
pub mod package;
pub mod panel;
pub mod pebble;
pub mod postgresql;
pub mod process;
pub mod programs;
pub mod rounds;
pub mod snapshot;
pub mod tcp_server;
pub mod timed_license_server;

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A temporary directory with mode 0700, deleted when dropped.
pub struct TempDirectory {
    path: PathBuf,
}

impl TempDirectory {
    pub fn new() -> TempDirectory {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("opterius-test-{}-{number}", std::process::id()));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return TempDirectory { path },
                // An earlier process with the same pid left it behind.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => panic!("cannot create {}: {error}", path.display()),
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Time limit for what happens by itself shortly after its cause, on a machine that is busy with other tests.
pub const SOON: Duration = Duration::from_secs(30);

/// Polls until `condition` holds, for at most `within`. Returns whether it held.
pub fn eventually(within: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + within;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        pause(Duration::from_millis(20));
    }
}

/// The interval of a polling loop, or of a deliberately slow client. Never use it to wait for an event.
pub fn pause(length: Duration) {
    let deadline = Instant::now() + length;
    while let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}

/// Sets a flag when it is dropped, so that the threads of a scope end when a test fails too.
pub struct SetOnDrop<'f>(pub &'f AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
