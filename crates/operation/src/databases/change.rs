//! Creating and deleting databases. The register is written first and kept: what an interrupted operation has made belongs to
//! its account, a repeat completes it, and the deletion of the account deletes it.

use serde_json::{Value, json};

use crate::databases::owner;
use crate::databases::record::Record;
use crate::servers::database_server::DatabaseServer;
use crate::transaction::Transaction;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::prefixed_name::PrefixedName;
use opterius_host::request::values::Username;
use opterius_host::users::register::Register;

/// Creates a database for the account in front of its name.
///
/// # Errors
/// The name is taken or ambiguous, or the server refuses.
pub fn create(
    host: &Host,
    server: &dyn DatabaseServer,
    database: &PrefixedName,
    deadline: Deadline,
) -> Result<Value, Problem> {
    Transaction::run(host, deadline, |transaction| {
        let account = owner::of_new(host, database)?;
        let mut record = Record::read(host, &account)?;
        let exists = server.has_database(database)?;
        let is_registered = record.of(server.engine()).databases.contains(database);
        if exists && !is_registered {
            return Err(owner::unregistered(server.engine(), "database", database));
        }
        if !exists {
            refuse_strangers(host, server, database, &account)?;
        }
        if record.of_mut(server.engine()).databases.insert(database.clone()) {
            record.write(transaction, &account)?;
            transaction.commit()?;
        }
        let created = server.create_database(database).and_then(|()| match server.has_database(database)? {
            true => Ok(json!({"name": database, "created": !exists})),
            false => Err(Problem::Failed(format!("{} did not create “{database}”.", server.engine()))),
        });
        if created.is_err() && !exists && server.drop_database(database).is_ok() {
            record.of_mut(server.engine()).databases.remove(database);
            record.write(transaction, &account)?;
            transaction.commit()?;
        }
        created
    })
}

/// Refuses a name for which users of others have privileges already, because of a wildcard.
fn refuse_strangers(
    host: &Host,
    server: &dyn DatabaseServer,
    database: &PrefixedName,
    account: &Username,
) -> Result<(), Problem> {
    let register = Register::read(host)?;
    let others = register.accounts().iter().map(String::as_str).filter(|name| *name != account.as_str());
    let strangers = server.strangers(database, &others.collect::<Vec<_>>())?;
    let Some(stranger) = strangers.first() else { return Ok(()) };
    Err(Problem::Conflict(format!(
        "In {}, “{stranger}” already has privileges for databases with names such as “{database}”. Revoke them, or choose \
         another name.",
        server.engine()
    )))
}

/// Deletes a database.
///
/// # Errors
/// It does not exist, the Agent did not make it, or the server refuses. Repeating the request completes it.
pub fn delete(
    host: &Host,
    server: &dyn DatabaseServer,
    database: &PrefixedName,
    deadline: Deadline,
) -> Result<Value, Problem> {
    let engine = server.engine();
    Transaction::run(host, deadline, |transaction| {
        let (account, mut record) = owner::of_database(host, engine, database, || server.has_database(database))?;
        // Also those who lost their privileges in an interrupted attempt.
        server.disconnect(&record.of(engine).users())?;
        server.drop_database(database)?;
        if server.has_database(database)? {
            return Err(Problem::Failed(format!("{engine} did not delete “{database}”.")));
        }
        record.of_mut(engine).databases.remove(database);
        record.write(transaction, &account)?;
        Ok(json!({"name": database}))
    })
}
