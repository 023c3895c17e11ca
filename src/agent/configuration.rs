//! `agent.conf`: `key=value` lines, read into typed values once, at the edge. This is the file and what it holds; [`crate::agent::parsing`] reads its text.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ring::hmac;

use crate::agent::parsing;
use crate::api;
use crate::license::client::Settings;
use crate::license::reason::Guide;
use crate::operations::host::{Acme, Host};
use crate::operations::runner::Means;
use crate::process::log::LogTarget;
use crate::process::settings::{self, Error};
use crate::secret::Secret;

/// Where the installers put the file.
pub const DEFAULT_PATH: &str = "/etc/opterius/agent.conf";

/// What to do where there is no file.
const CREATION: &str = "Create it with at least the line secret=… (dist/agent.conf is an example)";

/// The widest mode that keeps other users out.
pub const MODE: u32 = 0o640;

/// The secret of the shipped example. The file is right in form, but what everybody knows is no secret.
pub const EXAMPLE_SECRET: &str = "replace-this-with-the-output-of-openssl-rand-hex-32";
/// What is said about it.
pub const EXAMPLE_WARNING: &str = "the secret is the one of the shipped example, which everybody knows; the Agent does not \
                               start with it. Make one with: openssl rand -hex 32";

/// Public keys that a vendor built in: then no others are accepted.
const BUILT_IN_KEYS: Option<&str> = option_env!("OPTERIUS_LICENSE_PUBLIC_KEYS");

/// The whole configuration.
pub struct Configuration {
    /// What the Panel signs with.
    pub secret: Secret,
    /// What the license part needs.
    pub license: Settings,
    /// The address to listen on.
    pub listen_addr: IpAddr,
    /// The port to listen on; 0 lets the kernel choose, and the log tells.
    pub port: u16,
    /// Names besides `localhost` and IP addresses that the Agent is called by.
    pub allowed_hosts: Vec<String>,
    /// How far a timestamp may be from our clock.
    pub signature_window: Duration,
    /// Threads of the request pool, half of them for writes.
    pub request_threads: usize,
    /// Client connections at one time.
    pub max_connections: usize,
    /// The largest body, in bytes, on routes that take large ones.
    pub max_body: usize,
    /// Where log lines go.
    pub log: LogTarget,
    /// The root of the host that operations work on.
    pub host_root: PathBuf,
    /// How operations gain the rights that they need.
    pub operations: Means,
    /// Who issues certificates.
    pub acme: Acme,
}

impl Configuration {
    /// What the API answers by, when this was read from `file`.
    pub fn api(&self, file: &Path) -> api::Settings {
        api::Settings {
            secret: hmac::Key::new(hmac::HMAC_SHA256, self.secret.expose().as_bytes()),
            signature_window: self.signature_window,
            allowed_hosts: self.allowed_hosts.clone(),
            max_body: self.max_body,
            host: self.host(file),
            operations: self.operations,
            guide: self.guide(file),
        }
    }

    /// The host that operations work on, when this was read from `file`.
    pub fn host(&self, file: &Path) -> Host {
        Host::new(self.host_root.clone(), self.acme.clone(), file.to_owned())
    }

    /// What an operator is told to do, when this was read from `file`.
    pub fn guide(&self, file: &Path) -> Guide {
        Guide::new(self.license.server.base(), &file.display().to_string())
    }

    /// The settings that take effect at the next start only, and differ from `running`.
    pub fn needs_restart(&self, running: &Self) -> Vec<&'static str> {
        let differs = [
            ("listen_addr", self.listen_addr != running.listen_addr),
            ("port", self.port != running.port),
            ("request_threads", self.request_threads != running.request_threads),
            ("max_connections", self.max_connections != running.max_connections),
            ("log", self.log != running.log),
        ];
        differs.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
    }
}

/// A configuration and what is odd about it.
pub struct Loaded {
    /// The configuration.
    pub configuration: Configuration,
    /// Sentences about what was tolerated.
    pub warnings: Vec<String>,
}

/// Reads and checks the file for the daemon to run with.
///
/// # Errors
/// One sentence with file, line, key and remedy.
pub fn load(path: &Path) -> Result<Loaded, Error> {
    let loaded = check(path)?;
    if loaded.configuration.secret.expose() == EXAMPLE_SECRET {
        return Err(Error::Invalid(format!("{}: {EXAMPLE_WARNING}", path.display())));
    }
    Ok(loaded)
}

/// Reads and checks the file.
///
/// # Errors
/// One sentence with file, line, key and remedy.
pub fn check(path: &Path) -> Result<Loaded, Error> {
    let text = settings::read(path, CREATION)?;
    let loaded = parsing::parse(&text, &path.display().to_string(), BUILT_IN_KEYS)?;
    // By directory and name, not by what a link leads to: the cache replaces a link and does not follow it.
    let place = |file: &Path| Some((fs::canonicalize(file.parent()?).ok()?, file.file_name()?.to_owned()));
    let cache = &loaded.configuration.license.cache;
    if cache == path || (place(cache).is_some() && place(cache) == place(path)) {
        return Err(Error::Invalid(format!(
            "{0}: license_cache must not be {0} itself: it is overwritten",
            path.display()
        )));
    }
    Ok(loaded)
}

/// Takes other users' rights to the file away where we may; the sentence to log where something was or is wrong.
pub fn tighten(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    let mode = metadata.mode() & 0o7777;
    let wide = mode & !MODE & 0o777;
    if wide == 0 {
        return None;
    }
    let shown = path.display();
    let narrow = mode & MODE;
    Some(match fs::set_permissions(path, fs::Permissions::from_mode(narrow)) {
        Ok(()) => format!(
            "{shown} had mode {mode:04o}, so other users could read the secret in it or change it; it now has {narrow:04o}. \
             Consider a new secret, here and in the Panel (Servers → Edit)"
        ),
        Err(error) => format!(
            "{shown} has mode {mode:04o}: other users can read the secret in it or change it. Run: chown root:opterius {shown}; chmod 0640 {shown} ({error})"
        ),
    })
}
