//! A temporary directory for everything the benchmark writes. It goes, with every server, when the benchmark ends: by
//! the guards' `Drop` on success, error and panic, and by a thread when an interrupt or a TERM comes.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::process;

pub(crate) struct Workplace {
    root: PathBuf,
}

impl Workplace {
    pub(crate) fn create() -> io::Result<Self> {
        let root = std::env::temp_dir().join(format!("opterius-compare-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&root)?;
        end_on_signals(root.clone())?;
        Ok(Workplace { root })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A new directory of that name.
    pub(crate) fn directory(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path(name);
        fs::create_dir(&path)?;
        Ok(path)
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// Writes a file that only we may read: the Agent's configuration holds its secret.
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(text.as_bytes())
}

/// Servers run in process groups of their own, which an interrupt at the terminal does not reach.
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
