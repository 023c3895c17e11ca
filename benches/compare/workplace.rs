//! A temporary directory for all files of the benchmark. The directory and all servers are removed when the benchmark
//! ends: by `Drop` on success, error and panic, and by a thread on SIGINT and SIGTERM.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::failure::{During, Failure};
use crate::process;
use crate::scratch;

pub(crate) struct Workplace {
    root: PathBuf,
    homes: AtomicU32,
}

impl Workplace {
    pub(crate) fn create() -> Result<Self, Failure> {
        let root = scratch::create("compare")?;
        end_on_signals(root.clone()).during("watch for signals")?;
        Ok(Workplace { root, homes: AtomicU32::new(0) })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Creates a directory for one server. The directories are numbered, because everything else, even a port, can repeat.
    pub(crate) fn home(&self, server: &str) -> Result<PathBuf, Failure> {
        let number = self.homes.fetch_add(1, Ordering::Relaxed);
        let path = self.path(&format!("{server}-{number}"));
        fs::create_dir(&path).at("create the directory", &path)?;
        Ok(path)
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// Writes a file that only this user can read, because the Agent's configuration contains the secret.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).at("write", path)
}

/// Writes a file with default permissions.
pub(crate) fn write(path: &Path, text: impl AsRef<[u8]>) -> Result<(), Failure> {
    fs::write(path, text).at("write", path)
}

/// Handles signals, because servers run in their own process groups, which an interrupt at the terminal does not reach.
fn end_on_signals(root: PathBuf) -> io::Result<()> {
    let (mut signals, writer) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGINT, writer.try_clone()?)?;
    signal_hook::low_level::pipe::register(SIGTERM, writer)?;
    std::thread::spawn(move || {
        let _ = signals.read(&mut [0]);
        process::kill_all();
        let _ = fs::remove_dir_all(&root);
        std::process::exit(1);
    });
    Ok(())
}
