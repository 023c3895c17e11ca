//! Connections to the database file: what is looked at before one is opened, and how SQLite is set up in it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::error::Error;
use super::schema;
use crate::cause::cause;

/// How long a change waits for another process (the command line beside a running server) to finish its own.
pub(super) const BUSY_TIME: Duration = Duration::from_secs(5);

/// Pages that a connection keeps in memory, in KiB. The operating system caches the rest.
const CACHE_KIB: i64 = 8 * 1024;

/// Looks at the file without changing anything, and returns its schema version.
pub(super) fn inspect(path: &Path) -> Result<i64, Error> {
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::Missing(path.to_owned()),
        ErrorKind::PermissionDenied => Error::Permission(path.to_owned()),
        _ => Error::Failed(format!("{}: {}", path.display(), cause(&error))),
    })?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(Error::Exposed(path.to_owned()));
    }
    let unusable = |error: rusqlite::Error| Error::from(error).of_file(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => Error::Permission(path.to_owned()),
        _ => unusable(error),
    })?;
    connection.busy_timeout(BUSY_TIME)?;
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(unusable);
    if pragma("application_id")? != schema::APPLICATION_ID {
        return Err(Error::Unusable(path.to_owned(), "it is not a database of the license server".to_owned()));
    }
    let version = pragma("user_version")?;
    if usize::try_from(version).is_ok_and(|version| version > schema::MIGRATIONS.len()) {
        return Err(Error::Newer(path.to_owned(), version));
    }
    Ok(version)
}

/// Opens the file, which is there.
pub(super) fn connect(path: &Path, access: OpenFlags) -> Result<Connection, Error> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIME)?;
    connection.set_prepared_statement_cache_capacity(64);
    // A plan depends on the statement and not on the values of its parameters. Otherwise SQLite as it is built in here
    // compiles some statements again at each use: that was an eighth of the writer's time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    if access == OpenFlags::SQLITE_OPEN_READ_WRITE {
        // In this mode a reader never waits for a writer, and a commit is one write and one fsync of the log.
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
    }
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    // A row that does not fit its table is a defect: better an error than a wrong answer.
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}
