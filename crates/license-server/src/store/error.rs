//! Why the store does not do what it is asked to, and how SQLite's own words become ours.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::schema;

/// The database's file name.
pub const FILE: &str = "licenses.db";

/// Why the store does not do what it is asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// There is no database.
    Missing(PathBuf),
    /// It may not be read or written by this user.
    Permission(PathBuf),
    /// Other users may read or write it.
    Exposed(PathBuf),
    /// It is damaged, or not a database of ours.
    Unusable(PathBuf, String),
    /// It or its directory cannot be written.
    ReadOnly(PathBuf),
    /// A newer version of the program made it.
    Newer(PathBuf, i64),
    /// Another process has been changing it for too long.
    Busy,
    /// There is no room on the disk.
    Full,
    /// The name or key is taken already.
    Taken,
    /// Anything else, in SQLite's words.
    Failed(String),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(
                formatter,
                "{}: there is no database. Restore a backup to this path; only for a new installation: opterius-license-server init",
                path.display()
            ),
            Self::Permission(path) => {
                write!(
                    formatter,
                    "{}: permission denied. Run as the user who owns the database; as root, opterius-license-server check \
                     says whom it belongs to and whom it should",
                    path.display()
                )
            }
            Self::Exposed(path) => {
                let path = path.display();
                write!(formatter, "{path}: other users may read or write it. Run: chmod 0600 {path}")
            }
            Self::Unusable(path, cause) => write!(
                formatter,
                "{}: cannot be used: {cause}. Nothing was changed; move it away, with the -wal and -shm files beside it, and \
                 restore a backup to this path",
                path.display()
            ),
            Self::ReadOnly(path) => write!(
                formatter,
                "{}: cannot be written, or its directory cannot, in which SQLite keeps its log. Nothing was changed; see \
                 who owns them and whether the disk is mounted read-only",
                path.display()
            ),
            Self::Newer(path, version) => write!(
                formatter,
                "{}: was written by a newer version of this program (schema {version}, this one knows {}). Nothing was \
                 changed; install that version, or restore a backup of this one",
                path.display(),
                schema::MIGRATIONS.len()
            ),
            Self::Busy => formatter.write_str("the database is being changed by another process; try again"),
            Self::Full => formatter.write_str("the disk is full: nothing was changed"),
            Self::Taken => formatter.write_str("exists already"),
            Self::Failed(cause) => write!(formatter, "the database does not do this: {cause}"),
        }
    }
}

impl Error {
    /// What failed while the file was opened is a matter of the file.
    pub(super) fn of_file(self, path: &Path) -> Self {
        match self {
            Self::Failed(cause) | Self::Unusable(_, cause) => Self::Unusable(path.to_owned(), cause),
            Self::ReadOnly(_) => Self::ReadOnly(path.to_owned()),
            error => error,
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DiskFull) => Self::Full,
            // Which file it is, SQLite does not say; there is one.
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => Self::ReadOnly(PathBuf::from(FILE)),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Unusable(PathBuf::from(FILE), error.to_string())
            }
            Some(ErrorCode::ConstraintViolation) if error.to_string().contains("UNIQUE") => Self::Taken,
            _ => Self::Failed(error.to_string()),
        }
    }
}
