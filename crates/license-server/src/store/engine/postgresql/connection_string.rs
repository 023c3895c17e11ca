//! Where PostgreSQL is and how to connect to it: a URI or a keyword string with the meaning that libpq gives it.
//!
//! Differences from libpq: environment variables and service files are not read; TLS is on unless the server is on this
//! machine, and always verified (`sslmode` is `verify-full` or `disable`); `target_session_attrs` is `read-write` if there
//! are several hosts; no wait is without end. In a URI every `@` after the one before the hosts must be encoded.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::account::Account;
use super::client_certificate::ClientCertificate;
use super::keepalive::{Keepalive, keepalive};
use super::keyword_string;
use super::password_file::{self, Purpose};
use super::settings::Settings;
use super::target::{Target, targets};
use super::uri;
use opterius_base::secret::Secret;

/// A connection string. Its display has no password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ConnectionString {
    /// The servers, in the order in which they are asked.
    pub(super) targets: Vec<Target>,
    /// The database.
    pub(super) database: String,
    /// The user.
    pub(super) user: String,
    /// What the session is called in `pg_stat_activity`.
    pub(super) application_name: String,
    /// Which server is the right one.
    pub(super) wanted: Wanted,
    /// The time to connect to one server; if not set, the program's.
    pub(super) connect_time: Option<Duration>,
    /// How a silent peer is noticed.
    pub(super) keepalive: Keepalive,
    /// The authorities of servers' certificates, if not Mozilla's.
    pub(super) authorities: Option<PathBuf>,
    /// With which the license server signs in, if it has one.
    pub(super) client: Option<ClientCertificate>,
    password: Option<Secret>,
    password_file: Option<PathBuf>,
    home_file: Option<PathBuf>,
}

/// Which server is the right one (`target_session_attrs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Any.
    Any,
    /// One that accepts changes.
    ReadWrite,
    /// One that is not a standby.
    Primary,
}

impl ConnectionString {
    /// Parses a string for a program that runs as `account`.
    ///
    /// # Errors
    /// A sentence without any part of the password.
    pub(super) fn parse(text: &str, account: &Account) -> Result<Self, String> {
        let text = text.trim();
        let settings = uri::strip_scheme(text).map_or_else(|| keyword_string::parse(text), uri::parse)?;
        settings.check()?;
        let user = settings.get("user").map(str::to_owned).or_else(|| account.name.clone()).ok_or(
            "the string names no user, and the user that this program runs as has no name. Add user=NAME to it",
        )?;
        let targets = targets(&settings)?;
        let password_file = settings.get("passfile").map(|path| absolute("passfile", path)).transpose()?;
        Ok(Self {
            wanted: wanted(&settings, targets.len())?,
            targets,
            database: settings.get("dbname").unwrap_or(&user).to_owned(),
            user,
            application_name: settings.get("application_name").unwrap_or("opterius-license-server").to_owned(),
            connect_time: settings.seconds("connect_timeout")?,
            keepalive: keepalive(&settings)?,
            authorities: authorities(&settings)?,
            client: client(&settings)?,
            password: settings.get("password").map(|password| Secret::new(password.to_owned())),
            home_file: account.home.as_deref().map(|home| home.join(".pgpass")),
            password_file,
        })
    }

    /// Whether a text is meant to be a connection string.
    pub(super) fn is_meant(text: &str) -> bool {
        uri::strip_scheme(text).is_some() || text.contains('=')
    }

    /// Whether the string has a password.
    pub(super) fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// The password for a server: of the string, or of the password file, which is read at each connection.
    ///
    /// # Errors
    /// A sentence: the password file cannot be read, or other users can read it.
    pub(super) fn password(&self, target: &Target) -> Result<Option<Secret>, String> {
        if let Some(password) = &self.password {
            return Ok(Some(password.clone()));
        }
        let Some(file) = self.password_file.as_ref().or(self.home_file.as_ref()) else {
            return Ok(None);
        };
        let purpose = Purpose {
            host: target.name_in_password_file(),
            port: target.port,
            database: &self.database,
            user: &self.user,
        };
        password_file::read(file, self.password_file.is_some(), &purpose)
    }
}

/// Without the password.
impl fmt::Display for ConnectionString {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "database {} at ", self.database)?;
        for (number, target) in self.targets.iter().enumerate() {
            write!(formatter, "{}{target}", if number == 0 { "" } else { ", " })?;
        }
        write!(formatter, " as user {}", self.user)
    }
}

impl fmt::Debug for ConnectionString {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

fn authorities(settings: &Settings) -> Result<Option<PathBuf>, String> {
    match settings.get("sslrootcert") {
        None | Some("system") => Ok(None),
        Some(path) => absolute("sslrootcert", path).map(Some),
    }
}

fn client(settings: &Settings) -> Result<Option<ClientCertificate>, String> {
    let path = |keyword| settings.get(keyword).map(|path| absolute(keyword, path)).transpose();
    match (path("sslcert")?, path("sslkey")?) {
        (None, None) => Ok(None),
        (Some(certificates), Some(key)) => Ok(Some(ClientCertificate { certificates, key })),
        _ => Err("a client certificate needs both: sslcert=FILE and sslkey=FILE".to_owned()),
    }
}

fn absolute(keyword: &str, path: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    if path.is_absolute() { Ok(path) } else { Err(format!("{keyword} must be an absolute path")) }
}

fn wanted(settings: &Settings, targets: usize) -> Result<Wanted, String> {
    match settings.get("target_session_attrs") {
        None if targets > 1 => Ok(Wanted::ReadWrite),
        None | Some("any") => Ok(Wanted::Any),
        Some("read-write") => Ok(Wanted::ReadWrite),
        Some("primary") => Ok(Wanted::Primary),
        Some(_) => Err("target_session_attrs must be read-write, primary or any: the license server writes".to_owned()),
    }
}

#[cfg(test)]
#[path = "connection_string_tests.rs"]
mod tests;
