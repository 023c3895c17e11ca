//! Store errors, and their conversion from SQLite errors.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::schema;

/// The database's file name.
pub const FILE: &str = "licenses.db";

/// Why a store operation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The database does not exist.
    Missing(PathBuf),
    /// This user has no permission to read or write the database.
    Permission(PathBuf),
    /// Other users can read or write the database.
    Exposed(PathBuf),
    /// The file is damaged or not a database of the license server.
    Unusable(PathBuf, String),
    /// The write-ahead log beside the database belongs to another one.
    ForeignLog(PathBuf),
    /// The database or its directory is not writable.
    ReadOnly(PathBuf),
    /// A newer version of the program has written the database.
    Newer(PathBuf, i64),
    /// Another process has locked the database for too long.
    Busy,
    /// The disk is full.
    Full,
    /// The name, key or address exists already.
    Taken,
    /// The database server cannot be used now; nothing was changed. In a sentence.
    Unavailable(String),
    /// It is unknown whether the database server has made the change. In a sentence.
    Unknown(String),
    /// The database of a server is not one that this program can use. In a sentence.
    Refused(String),
    /// The license has to be locked first. Only the writer sees it.
    Unlocked,
    /// Anything else, in the engine's words.
    Failed(String),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(
                formatter,
                "{}: the database is missing. Restore a backup to this path; only for a new installation, run: opterius-license-server init",
                path.display()
            ),
            Self::Permission(path) => {
                write!(
                    formatter,
                    "{}: permission denied. Run as the user who owns the database. To check the ownership, run as root: \
                     opterius-license-server check",
                    path.display()
                )
            }
            Self::Exposed(path) => {
                let path = path.display();
                write!(formatter, "{path}: other users can read or write the database. Run: chmod 0600 {path}")
            }
            Self::Unusable(path, cause) => write!(
                formatter,
                "{}: the database is unusable: {cause}. Nothing was changed. Move it away, with its -wal and -shm files, and \
                 restore a backup to this path",
                path.display()
            ),
            Self::ForeignLog(path) => {
                let path = path.display();
                write!(
                    formatter,
                    "{path}: the log beside it, {path}-wal, belongs to another database, such as one that a backup has \
                     replaced, or is damaged. Nothing was changed. To use the database without this log, move the log to \
                     another directory. To restore a backup, run: opterius-license-server restore FILE"
                )
            }
            Self::ReadOnly(path) => write!(
                formatter,
                "{}: the database or its directory is not writable (SQLite keeps its log beside it). Nothing was changed; \
                 check the owner, and whether the disk is mounted read-only",
                path.display()
            ),
            Self::Newer(path, version) => write!(
                formatter,
                "{}: the database was written by a newer version of this program (schema {version}, this version supports {}). \
                 Nothing was changed; install that version, or restore a backup from this one",
                path.display(),
                schema::MIGRATIONS.len()
            ),
            Self::Busy => formatter.write_str("the database is locked by another process; try again"),
            Self::Full => formatter.write_str("the disk is full. Nothing was changed"),
            Self::Taken => formatter.write_str("already exists"),
            Self::Unavailable(sentence) | Self::Unknown(sentence) | Self::Refused(sentence) => {
                formatter.write_str(sentence)
            }
            Self::Unlocked => formatter.write_str("the license is not locked"),
            Self::Failed(cause) => write!(formatter, "database error: {cause}"),
        }
    }
}

impl Error {
    /// Whether the database cannot be reached, or the connection to it was lost.
    pub(super) fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Unknown(_))
    }

    /// An error while opening the file, with the path of the file.
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
            // SQLite does not name the file; there is only one.
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => Self::ReadOnly(PathBuf::from(FILE)),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Unusable(PathBuf::from(FILE), error.to_string())
            }
            Some(ErrorCode::ConstraintViolation) if error.to_string().contains("UNIQUE") => Self::Taken,
            _ => Self::Failed(error.to_string()),
        }
    }
}
