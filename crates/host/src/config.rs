//! The keys of agent.conf that select the host and its certificate authority. The Agent reads them along with all others;
//! the helper reads only these.

use std::path::PathBuf;

use opterius_daemon::config_file::{Entries, Error, Key};

use crate::host::Acme;

/// The default certificate authority: Let's Encrypt.
const ACME_SERVER: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// The keys of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKey {
    /// `host_root`.
    Root,
    /// `acme_server`.
    AcmeServer,
    /// `acme_ca_file`.
    AcmeAuthority,
}

/// The root directory of the host; `/` by default.
///
/// # Errors
/// The value is not the absolute path of a directory.
pub fn root<K: Key + From<HostKey>>(entries: &Entries<'_, K>) -> Result<PathBuf, Error> {
    let key = HostKey::Root.into();
    let path = entries.absolute_path(key, "/")?;
    match entries.entry(key) {
        Some(entry) if !path.is_dir() => Err(entries.wrong(entry, format!("{}: is not a directory", path.display()))),
        _ => Ok(path),
    }
}

/// The certificate authority. `check_url` validates a URL.
///
/// # Errors
/// The server is not a valid URL, or the path of the CA file is not absolute.
pub fn acme<K: Key + From<HostKey>>(
    entries: &Entries<'_, K>,
    check_url: impl Fn(&str) -> Result<(), String>,
) -> Result<Acme, Error> {
    let server = match entries.value(HostKey::AcmeServer.into()) {
        None => ACME_SERVER,
        Some((entry, value)) => {
            check_url(value).map_err(|sentence| entries.wrong(entry, sentence))?;
            value
        }
    };
    let key = HostKey::AcmeAuthority.into();
    let authority = entries.value(key).map(|_| entries.absolute_path(key, "/")).transpose()?;
    Ok(Acme { server: server.to_owned(), authority })
}
