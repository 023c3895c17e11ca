//! The source of a copy: one snapshot of a database that is not in use.

use std::path::Path;
use std::time::Duration;

use crossbeam_channel::after;
use rusqlite::OpenFlags;

use super::super::connection::inspect;
use super::super::engine::{Connection, Queries, Server, Transaction};
use super::super::error::Error;
use super::super::foreign_log;
use super::super::integrity::defects;
use super::super::location::Location;
use super::super::schema::MIGRATIONS;
use super::super::server_database;
use opterius_base::deadline::Deadline;

/// How long to wait for the end of another command, and for sessions that a stopped license server has just left.
const BUSY_TIME: Duration = Duration::from_secs(2);

/// Time between two looks at the sessions.
const PAUSE: Duration = Duration::from_millis(50);

/// The sessions of this role in the database, but for this one. A license server keeps its own open.
const SESSIONS: &str = "SELECT count(*) FROM pg_catalog.pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
    AND coalesce(backend_type, 'client backend') = 'client backend'";

/// Opens the source.
///
/// # Errors
/// It cannot be used, is damaged, or its schema is another version's.
pub(super) fn open(location: &Location) -> Result<Connection, Error> {
    match location {
        Location::File(path) => open_file(path).map_err(|error| of_file(path, error)),
        Location::Postgresql(server) => server_database::open_as_is(server),
    }
}

/// Opens a file so that no other process can open it meanwhile.
fn open_file(path: &Path) -> Result<Connection, Error> {
    let version = inspect(path).and_then(|version| foreign_log::check(path).map(|()| version));
    let version = version.map_err(|error| foreign_log::explain(path, error))?;
    if usize::try_from(version) != Ok(MIGRATIONS.len()) {
        return Err(Error::Refused(format!(
            "{}: the database has the schema of an older version ({version}). Nothing was changed. Every command of this version \
             upgrades it, such as: opterius-license-server stats",
            path.display()
        )));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = rusqlite::Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIME)?;
    // Before the first access: then the file itself is locked, which every other connection keeps from happening.
    connection.pragma_update(None, "locking_mode", "exclusive")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(Connection::Sqlite(connection))
}

/// Begins the transaction whose snapshot is copied.
///
/// # Errors
/// The database is in use or damaged.
pub(super) fn begin<'c>(connection: &'c Connection, location: &Location) -> Result<Transaction<'c>, Error> {
    match location {
        Location::File(path) => begin_file(connection, path).map_err(|error| of_file(path, error)),
        Location::Postgresql(server) => begin_on_server(connection, server),
    }
}

fn begin_file<'c>(connection: &'c Connection, path: &Path) -> Result<Transaction<'c>, Error> {
    let transaction = connection.begin_change()?;
    // Damage would be copied: a row that is missing from an index is not read.
    let defects = connection.sqlite().map_or(Ok(Vec::new()), defects)?;
    if defects.is_empty() {
        Ok(transaction)
    } else {
        Err(Error::Unusable(path.to_owned(), defects.join("; ").replace('\n', " ")))
    }
}

fn begin_on_server<'c>(connection: &'c Connection, server: &Server) -> Result<Transaction<'c>, Error> {
    let deadline = Deadline::within(BUSY_TIME);
    let transaction = loop {
        let transaction = connection.begin_read()?;
        let sessions: u32 = connection.query_row(SESSIONS, &[], |row| row.get(0))?;
        if sessions == 0 {
            break transaction;
        }
        if !deadline.is_over() {
            // A transaction always sees the sessions of its first look.
            drop(transaction);
            let _ = after(PAUSE).recv();
            continue;
        }
        return Err(Error::Unavailable(format!(
            "{server}: {sessions} other sessions of the same user are connected, such as those of license servers. Nothing was \
             copied: what they change now would be lost. Stop them on all machines: systemctl stop opterius-license-server \
             opterius-license-server-deliver. To see the sessions: SELECT * FROM pg_stat_activity WHERE datname = \
             current_database()"
        )));
    };
    // An instance that starts now makes no change until the copy is complete.
    if connection.keep_unchanged()? {
        Ok(transaction)
    } else {
        Err(Error::Unavailable(format!("{server}: the database is being changed. Nothing was copied; try again")))
    }
}

fn of_file(path: &Path, error: Error) -> Error {
    match error {
        Error::Busy => Error::Unavailable(format!(
            "{0}: another process uses the database. Nothing was copied: what it changes now would be lost. Stop the license \
             server: systemctl stop opterius-license-server opterius-license-server-deliver. To see which process it is: fuser -v \
             {0}",
            path.display()
        )),
        error => error.of_file(path),
    }
}
