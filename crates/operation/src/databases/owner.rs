//! Whose a database or a user is. The Panel sends no account: for what exists, the register says it, and for what is new, the
//! name must say it.

use crate::databases::record::{Owned, Record};
use crate::servers::database_server::Engine;
use crate::users::user;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::prefixed_name::PrefixedName;
use opterius_host::request::values::Username;
use opterius_host::users::register::Register;

/// The account that a new name belongs to.
///
/// # Errors
/// No account's name is in front, or those of several are, or the account is not the Agent's to change.
pub fn of_new(host: &Host, name: &PrefixedName) -> Result<Username, Problem> {
    let register = Register::read(host)?;
    let mut accounts: Vec<Username> = name.accounts().filter(|account| register.account(account).is_ok()).collect();
    let Some(account) = accounts.pop() else {
        return Err(Problem::NotFound(format!(
            "“{name}” belongs to no account: it must start with the username of one and an underscore."
        )));
    };
    if let Some(other) = accounts.pop() {
        return Err(Problem::Conflict(format!(
            "“{name}” could belong to the account “{account}” and to “{other}”, and the Panel does not say to which. Choose a \
             name that starts with only one of them."
        )));
    }
    user::refuse_foreign_user(host, &register, register.account(&account)?)?;
    Ok(account)
}

/// The account in whose record something of this name is, with the record.
///
/// # Errors
/// A record is damaged, or the account is not the Agent's to change.
pub fn of_registered(
    host: &Host,
    engine: Engine,
    name: &PrefixedName,
    has: impl Fn(&Owned) -> bool,
) -> Result<Option<(Username, Record)>, Problem> {
    for account in name.accounts() {
        let record = Record::read(host, &account)?;
        if has(record.of(engine)) {
            let register = Register::read(host)?;
            user::refuse_foreign_user(host, &register, register.account(&account)?)?;
            return Ok(Some((account, record)));
        }
    }
    Ok(None)
}

/// The account of a database.
///
/// # Errors
/// The database does not exist (`exists` asks the server), or no account of the Agent's made it.
pub fn of_database(
    host: &Host,
    engine: Engine,
    database: &PrefixedName,
    exists: impl FnOnce() -> Result<bool, Problem>,
) -> Result<(Username, Record), Problem> {
    match of_registered(host, engine, database, |owned| owned.databases.contains(database))? {
        Some(found) => Ok(found),
        None if exists()? => Err(unregistered(engine, "database", database)),
        None => Err(missing(engine, "database", database)),
    }
}

/// The error for what the Agent did not make.
pub fn unregistered(engine: Engine, what: &str, name: &PrefixedName) -> Problem {
    let remedy = match engine {
        Engine::MariaDb => {
            " To hand over databases whose users are an account's by name, and these users, run: opterius-agent operation adopt"
        }
        Engine::Postgresql => " Choose another name.",
    };
    Problem::Conflict(format!(
        "The {engine} {what} “{name}” was not made by the Agent, which does not touch it.{remedy}"
    ))
}

/// The error for what does not exist.
pub fn missing(engine: Engine, what: &str, name: &PrefixedName) -> Problem {
    Problem::NotFound(format!("{engine} on this server has no {what} “{name}”."))
}
