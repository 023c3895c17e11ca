//! The host that operations change: the machine itself, or a directory tree that stands for one.

use std::path::{Path, PathBuf};

/// Where programs are searched, in this order. `PATH` is not used.
const TOOL_DIRECTORIES: [&str; 6] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/bin", "/snap/bin"];

/// The certificate authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// The URL of its ACME directory.
    pub server: String,
    /// A file with additional CA certificates to trust for its server.
    pub authority: Option<PathBuf>,
}

/// The host that operations change. It is configured in agent.conf and never comes from a request.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
    /// The certificate authority.
    pub acme: Acme,
    /// The path of agent.conf, for commands that other programs run, such as certbot's deploy hook.
    pub config: PathBuf,
    /// The names by which clients reach the Agent: `allowed_hosts` of agent.conf.
    pub agent_names: Vec<String>,
}

impl Host {
    /// The host below `root`.
    pub fn new(root: PathBuf, acme: Acme, config: PathBuf) -> Self {
        Self { root, acme, config, agent_names: Vec::new() }
    }

    /// Its root directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether it is the machine itself. With any other root, nothing outside of it is touched: no service is reloaded, and
    /// no process is signaled.
    pub fn is_machine(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Whether systemd runs the services of this host.
    pub fn has_systemd(&self) -> bool {
        self.is_machine() && Path::new("/run/systemd/system").is_dir()
    }

    /// The location of a path of the host, for example `/etc/passwd`.
    pub fn path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// The path of an installed program; none if it is not installed.
    pub fn tool(name: &str) -> Option<PathBuf> {
        TOOL_DIRECTORIES.iter().map(|directory| Path::new(directory).join(name)).find(|path| path.is_file())
    }

    /// The home directory of an account.
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
