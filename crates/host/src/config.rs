//! The keys of agent.conf that say which host operations work on, and who issues certificates for it. The Agent reads them
//! among all others, the helper reads no others.

use std::path::PathBuf;

use opterius_daemon::config_file::{Entries, Error, Key};

use crate::host::Acme;

/// Who issues certificates unless agent.conf names another: Let's Encrypt.
const ACME_SERVER: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// The keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKey {
    /// `host_root`.
    Root,
    /// `acme_server`.
    AcmeServer,
    /// `acme_ca_file`.
    AcmeAuthority,
}

/// The root of the host; the machine itself unless the file names a directory.
///
/// # Errors
/// It is not a directory, by an absolute path.
pub fn root<K: Key + From<HostKey>>(entries: &Entries<'_, K>) -> Result<PathBuf, Error> {
    let key = HostKey::Root.into();
    let path = entries.absolute_path(key, "/")?;
    match entries.entry(key) {
        Some(entry) if !path.is_dir() => Err(entries.wrong(entry, format!("{}: is not a directory", path.display()))),
        _ => Ok(path),
    }
}

/// Who issues certificates. `check_url` says what is wrong with a URL.
///
/// # Errors
/// The server is no URL, or the file of its certificate authority is not named by an absolute path.
pub fn acme<K: Key + From<HostKey>>(
    entries: &Entries<'_, K>,
    check_url: impl Fn(&str) -> Result<(), &'static str>,
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
