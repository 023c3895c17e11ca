//! Connections to the database file: checks before opening it, and the configuration of SQLite.

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

/// How long a change waits for the change of another process, such as a command beside a running server.
const BUSY_TIME: Duration = Duration::from_secs(5);

/// The page cache of a connection, in KiB. The operating system caches the rest.
const CACHE_KIB: i64 = 8 * 1024;

/// Checks the file without changing it and returns its schema version.
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

/// Opens an existing file.
pub(super) fn connect(path: &Path, access: OpenFlags) -> Result<Connection, Error> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIME)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Query plans depend only on the statement, not on parameter values. Otherwise the bundled SQLite recompiles some
    // statements at each use, which took an eighth of the writer's time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    if access == OpenFlags::SQLITE_OPEN_READ_WRITE {
        // In this mode a reader never waits for a writer, and a commit is one write and one fsync of the log.
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
    }
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    // A tampered schema must not run functions with side effects.
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// Opens an existing file to read it. Closing it changes nothing, not even the log.
pub(super) fn open_read_only(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIME)?;
    Ok(connection)
}
