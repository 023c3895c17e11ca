//! Where a database is.

use std::fmt;
use std::path::{Path, PathBuf};

use super::engine::Server;

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In a file of SQLite.
    File(PathBuf),
    /// On a server of PostgreSQL.
    Postgresql(Server),
}

impl Location {
    /// Parses the absolute path of a file, or a connection string of PostgreSQL.
    ///
    /// # Errors
    /// What is wrong, to be said after the name of the setting. It does not repeat the text, which can have a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let path = Path::new(text);
        if path.is_absolute() {
            return Ok(Self::File(path.to_owned()));
        }
        if Server::is_connection_string(text) {
            return Server::parse(text)
                .map(Self::Postgresql)
                .map_err(|cause| format!("is not a usable connection string: {cause}"));
        }
        Err("must be the absolute path of a file, or a connection string such as \
             postgresql://user@host/database or host=HOST dbname=DATABASE user=USER"
            .to_owned())
    }

    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Postgresql(_) => None,
        }
    }

    /// Whether its text has a password.
    pub fn has_password(&self) -> bool {
        matches!(self, Self::Postgresql(server) if server.has_password())
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::Postgresql(server) => server.fmt(formatter),
        }
    }
}
