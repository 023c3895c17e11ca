//! Creating and deleting users of databases, and their passwords.

use serde_json::{Value, json};

use crate::databases::owner;
use crate::databases::record::Record;
use crate::servers::database_server::{DatabaseServer, DatabaseUser};
use crate::transaction::Transaction;
use opterius_base::deadline::Deadline;
use opterius_base::secret::Secret;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::prefixed_name::{ClientHost, PrefixedName};
use opterius_host::request::values::Username;
use opterius_host::users::account::Account;

/// Creates a user with all privileges for one database of the same account. If the account made the user before, the user gets
/// this password, and this database in addition.
///
/// # Errors
/// The name is taken or ambiguous, the database is not the account's, or the server refuses.
pub fn create(
    host: &Host,
    server: &dyn DatabaseServer,
    user: &DatabaseUser,
    (password, database): (&Secret, &PrefixedName),
    deadline: Deadline,
) -> Result<Value, Problem> {
    let engine = server.engine();
    Transaction::run(host, deadline, |transaction| {
        let (account, mut record) = owner::of_database(host, engine, database, || server.has_database(database))?;
        let expected = owner::of_new(host, &user.name)?;
        if expected != account {
            return Err(Problem::Conflict(format!(
                "The database “{database}” belongs to the account “{account}”, and a user “{}” would not.",
                user.name
            )));
        }
        if !server.has_database(database)? {
            return Err(owner::missing(engine, "database", database));
        }
        let exists = server.has_user(user)?;
        if exists && !record.of(engine).has_user(user) {
            return Err(owner::unregistered(engine, "user", &user.name));
        }
        let is_suspended = Account::read(host, &account)?.suspended.is_some();
        let before = record.clone();
        record.of_mut(engine).add_user(user);
        if is_suspended && !exists {
            record.of_mut(engine).lock(std::slice::from_ref(user));
        }
        if record != before {
            record.write(transaction, &account)?;
            transaction.commit()?;
        }
        let created = server
            .create_user(user, password, database, is_suspended)
            .and_then(|()| match server.can_use(user, database)? {
                true => Ok(json!({"username": user.name, "host": user.host, "database": database, "created": !exists})),
                false => Err(Problem::Failed(format!("{engine} did not give “{database}” to “{}”.", user.name))),
            })
            .map_err(|problem| without(problem, password));
        if created.is_err() && !exists && server.drop_user(user).is_ok() {
            before.write(transaction, &account)?;
            transaction.commit()?;
        }
        created
    })
}

/// Sets the password of a user; without a host, of all users of this name.
///
/// # Errors
/// There is no such user, the Agent did not make it, or the server refuses.
pub fn set_password(
    host: &Host,
    server: &dyn DatabaseServer,
    (name, from): (&PrefixedName, &[Option<ClientHost>]),
    password: &Secret,
    deadline: Deadline,
) -> Result<Value, Problem> {
    Transaction::run(host, deadline, |_| {
        let (_, _, users) = registered(host, server, name, from)?;
        for user in &users {
            if !server.has_user(user)? {
                return Err(owner::missing(server.engine(), "user", name));
            }
            server.set_password(user, password).map_err(|problem| without(problem, password))?;
        }
        Ok(json!({"username": name}))
    })
}

/// Deletes a user; without a host, all users of this name.
///
/// # Errors
/// There is no such user, the Agent did not make it, or the server refuses. Repeating the request completes it.
pub fn delete(
    host: &Host,
    server: &dyn DatabaseServer,
    (name, from): (&PrefixedName, &[Option<ClientHost>]),
    deadline: Deadline,
) -> Result<Value, Problem> {
    let engine = server.engine();
    Transaction::run(host, deadline, |transaction| {
        let (account, mut record, users) = registered(host, server, name, from)?;
        for user in &users {
            server.drop_user(user)?;
            if server.has_user(user)? {
                return Err(Problem::Failed(format!("{engine} did not delete “{name}”.")));
            }
            record.of_mut(engine).remove_user(user);
        }
        record.write(transaction, &account)?;
        Ok(json!({"username": name}))
    })
}

/// The registered users with this name and one of these hosts, and their account.
fn registered(
    host: &Host,
    server: &dyn DatabaseServer,
    name: &PrefixedName,
    from: &[Option<ClientHost>],
) -> Result<(Username, Record, Vec<DatabaseUser>), Problem> {
    let engine = server.engine();
    let users: Vec<DatabaseUser> = from.iter().map(|host| DatabaseUser { name: name.clone(), host: *host }).collect();
    let found = owner::of_registered(host, engine, name, |owned| users.iter().any(|user| owned.has_user(user)))?;
    if let Some((account, record)) = found {
        let users = users.into_iter().filter(|user| record.of(engine).has_user(user)).collect();
        return Ok((account, record, users));
    }
    for user in &users {
        if server.has_user(user)? {
            return Err(owner::unregistered(engine, "user", name));
        }
    }
    Err(owner::missing(engine, "user", name))
}

/// The problem without the password, which a server's message can contain.
fn without(problem: Problem, password: &Secret) -> Problem {
    let message = problem.message();
    if !message.contains(password.expose()) {
        return problem;
    }
    Problem::Failed(message.replace(password.expose(), "…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_has_the_password() {
        let password = Secret::new("correct horse".to_owned());
        let said = Problem::Failed("near 'correct horse'".to_owned());
        assert_eq!(without(said, &password), Problem::Failed("near '…'".to_owned()));
        let other = Problem::Unavailable("down".to_owned());
        assert_eq!(without(other.clone(), &password), other);
    }
}
