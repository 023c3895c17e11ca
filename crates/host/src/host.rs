//! The host that operations work on: the machine itself, or a tree of files below some directory that stands for one.

use std::path::{Path, PathBuf};

/// Where programs are looked for, in this order. The environment is not asked.
const TOOL_DIRECTORIES: [&str; 6] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/bin", "/snap/bin"];

/// Who issues certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// The URL of its directory.
    pub server: String,
    /// A file with a certificate authority to trust for it, besides the system's.
    pub authority: Option<PathBuf>,
}

/// The host that operations work on. What it is comes from agent.conf, never from a request.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
    /// Who issues certificates.
    pub acme: Acme,
    /// The configuration file, for the programs that we have others run.
    pub config: PathBuf,
}

impl Host {
    /// The host below `root`.
    pub fn new(root: PathBuf, acme: Acme, config: PathBuf) -> Self {
        Self { root, acme, config }
    }

    /// Its root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether it is the machine itself. Below any other root nothing outside of it is touched: nothing is reloaded, and
    /// no process is signalled.
    pub fn is_machine(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Whether systemd runs the services of this host.
    pub fn has_systemd(&self) -> bool {
        self.is_machine() && Path::new("/run/systemd/system").is_dir()
    }

    /// Where a path of the host is, for example `/etc/passwd`.
    pub fn path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// A program of the machine, if it is installed.
    pub fn tool(name: &str) -> Option<PathBuf> {
        TOOL_DIRECTORIES.iter().map(|directory| Path::new(directory).join(name)).find(|path| path.is_file())
    }

    /// The home of an account.
    pub fn home(&self, username: &str) -> PathBuf {
        self.path("/home").join(username)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_a_host_is_below_its_root() {
        let acme = Acme { server: String::new(), authority: None };
        let host = |root: &str| Host::new(root.into(), acme.clone(), PathBuf::new());
        assert_eq!(host("/").path("/etc/passwd"), Path::new("/etc/passwd"));
        assert_eq!(host("/srv/tree").path("/etc/passwd"), Path::new("/srv/tree/etc/passwd"));
        assert_eq!(host("/srv/tree").path("etc//passwd"), Path::new("/srv/tree/etc/passwd"));
        assert_eq!(host("/srv/tree").home("alice"), Path::new("/srv/tree/home/alice"));
        assert!(host("/").is_machine() && !host("/srv").is_machine());
    }
}
