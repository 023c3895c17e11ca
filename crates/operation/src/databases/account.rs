//! The databases of an account that is suspended, deleted, or measured.

use std::time::Duration;

use rustix::event::{Timespec, poll};

use crate::databases::record::{self, Owned, Record};
use crate::databases::server;
use crate::measure::usage;
use crate::servers::database_server::{DatabaseServer, DatabaseUser, Engine};
use crate::servers::postgresql::Postgresql;
use crate::transaction::Transaction;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::Username;

/// Time limit for connections to end, which can take back what they had changed first.
const END_TIME: Duration = Duration::from_secs(10);

/// The pause before another look at connections.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// MariaDB's databases, one directory per database.
const MARIADB_DATA: &str = "/var/lib/mysql";

/// Locks the users of an account who can log in, and ends their connections. Returns warnings.
///
/// # Errors
/// A server is not running or refuses. Repeating the call completes it.
pub fn suspend(
    transaction: &mut Transaction<'_>,
    account: &Username,
    deadline: Deadline,
) -> Result<Vec<String>, Problem> {
    let mut record = Record::read(transaction.host(), account)?;
    in_each(|engine| suspend_in(engine, transaction, account, &mut record, deadline))
}

/// Does it with both servers, also if the first is not running. Returns all warnings, or the first problem.
fn in_each(mut task: impl FnMut(Engine) -> Result<Vec<String>, Problem>) -> Result<Vec<String>, Problem> {
    let results = Engine::ALL.map(&mut task);
    results.into_iter().try_fold(Vec::new(), |mut warnings, result| {
        warnings.extend(result?);
        Ok(warnings)
    })
}

fn suspend_in(
    engine: Engine,
    transaction: &mut Transaction<'_>,
    account: &Username,
    record: &mut Record,
    deadline: Deadline,
) -> Result<Vec<String>, Problem> {
    let host = transaction.host();
    let users = record.of(engine).users();
    if users.is_empty() || !server::is_installed(host, engine) {
        return Ok(Vec::new());
    }
    let server = server::running(host, engine, deadline).map_err(|problem| {
        let said = problem.message();
        Problem::Unavailable(format!(
            "The {engine} users of “{account}” are not locked: {said} Then suspend the account again."
        ))
    })?;
    let unlocked = server.unlocked(&users)?;
    if !unlocked.is_empty() {
        // Before it happens: an interrupted suspension must know whom to unlock.
        record.of_mut(engine).lock(&unlocked);
        record.write(transaction, account)?;
        transaction.commit()?;
    }
    let warnings = lock_out(&*server, &users, &unlocked, deadline)?;
    if let Some(user) = server.unlocked(&users)?.first() {
        return Err(Problem::Failed(format!("{engine} did not lock “{user}”.")));
    }
    Ok(warnings)
}

/// Locks those of the users who can log in, and ends the connections of all. Returns a warning if some go on.
fn lock_out(
    server: &dyn DatabaseServer,
    users: &[DatabaseUser],
    unlocked: &[DatabaseUser],
    deadline: Deadline,
) -> Result<Vec<String>, Problem> {
    // They can hold what locking waits for.
    server.disconnect(users)?;
    let locked = server.set_locked(unlocked, true);
    if locked.is_err() {
        // At least, users who could not be locked have no connection then. The first problem says more than one of disconnecting.
        let _ = server.disconnect(users);
    }
    locked?;
    end_connections(server, users, deadline).map(|warning| warning.into_iter().collect())
}

/// Unlocks the users whom the suspension has locked.
///
/// # Errors
/// A server is not running or refuses. Repeating the call completes it.
pub fn unsuspend(transaction: &mut Transaction<'_>, account: &Username, deadline: Deadline) -> Result<(), Problem> {
    let host = transaction.host();
    let mut record = Record::read(host, account)?;
    for engine in Engine::ALL {
        let locked = record.of(engine).locked();
        if locked.is_empty() {
            continue;
        }
        if server::is_installed(host, engine) {
            server::running(host, engine, deadline)?.set_locked(&locked, false)?;
        }
        record.of_mut(engine).unlock();
        record.write(transaction, account)?;
    }
    Ok(())
}

/// Deletes everything that an account made in the servers of databases. Returns warnings.
///
/// # Errors
/// A server is not running or refuses. Repeating the call completes it.
pub fn delete(host: &Host, account: &Username, deadline: Deadline) -> Result<Vec<String>, Problem> {
    let record = Record::read(host, account)?;
    let warnings = in_each(|engine| delete_in(engine, host, account, record.of(engine), deadline))?;
    record::forget(host, account)?;
    Ok(warnings)
}

fn delete_in(
    engine: Engine,
    host: &Host,
    account: &Username,
    owned: &Owned,
    deadline: Deadline,
) -> Result<Vec<String>, Problem> {
    if owned.is_empty() {
        return Ok(Vec::new());
    }
    if !server::is_installed(host, engine) {
        return Ok(vec![format!(
            "{engine} is no longer installed. If it has data on this server, databases are left."
        )]);
    }
    let server = server::running(host, engine, deadline).map_err(|problem| {
        let said = problem.message();
        Problem::Unavailable(format!(
            "The {engine} databases of “{account}” are left, so its deletion is not complete: {said} Then delete the account again."
        ))
    })?;
    let users = owned.users();
    // First the users, so that they do not reconnect to a database that is being deleted.
    let warnings = lock_out(&*server, &users, &users, deadline)?;
    for database in &owned.databases {
        server.drop_database(database)?;
    }
    for user in &users {
        server.drop_user(user)?;
    }
    Ok(warnings)
}

/// Ends the connections of users who cannot open new ones. Returns a warning if some go on.
fn end_connections(
    server: &dyn DatabaseServer,
    users: &[DatabaseUser],
    deadline: Deadline,
) -> Result<Option<String>, Problem> {
    let deadline = deadline.sooner(END_TIME);
    while server.disconnect(users)? > 0 {
        if deadline.is_over() {
            return Ok(Some(format!("Connections of {} users have not ended yet.", server.engine())));
        }
        let _ = poll(&mut [], Some(&PAUSE));
    }
    Ok(None)
}

/// The size of all databases of an account, in bytes, and a warning for what could not be measured.
///
/// # Errors
/// The record or a directory cannot be read.
pub fn size(host: &Host, account: &Username, deadline: Deadline) -> Result<(u64, Vec<String>), Problem> {
    let record = Record::read(host, account)?;
    let (mut size, mut warnings) = (0_u64, Vec::new());
    let data = host.path(MARIADB_DATA);
    if data.is_dir() {
        for database in &record.of(Engine::MariaDb).databases {
            // How MariaDB names the directory.
            let name = database.as_str().replace('-', "@002d");
            size = size.saturating_add(usage::measure(&data, &name, deadline)?.bytes);
        }
    }
    let databases = &record.of(Engine::Postgresql).databases;
    if !databases.is_empty() {
        match Postgresql::new(host, deadline).and_then(|server| server.size(databases)) {
            Ok(bytes) => size = size.saturating_add(bytes),
            Err(problem) => warnings.push(format!("PostgreSQL's databases are not counted: {}", problem.message())),
        }
    }
    Ok((size, warnings))
}
