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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use opterius_host::request::prefixed_name::MAX_MARIADB_DATABASE;

    /// A host with these accounts.
    fn with_accounts(accounts: &[&str]) -> Tree {
        let tree = Tree::new();
        let lines = accounts.iter().zip(1001..).map(|(name, id)| format!("{name}:x:{id}:{id}::/home/{name}:/bin/sh\n"));
        tree.write("/etc/passwd", lines.collect::<String>());
        let groups = accounts.iter().zip(1001..).map(|(name, id)| format!("{name}:x:{id}:\n")).collect::<String>();
        tree.write("/etc/group", format!("{groups}opterius-accounts:x:990:{}\n", accounts.join(",")));
        tree
    }

    fn name(text: &str) -> PrefixedName {
        PrefixedName::parse("name", text, MAX_MARIADB_DATABASE).unwrap()
    }

    #[test]
    fn a_new_name_fits_one_account_alone() {
        let tree = with_accounts(&["joe", "joe_x", "ann"]);
        let table: [(&str, Result<&str, u16>); 6] = [
            ("joe_db", Ok("joe")),
            ("joe_y_db", Ok("joe")),
            ("ann_db", Ok("ann")),
            ("joe_x_db", Err(409)),
            ("eve_db", Err(404)),
            ("joey_db", Err(404)),
        ];
        for (text, expected) in table {
            let found = of_new(&tree.host, &name(text)).map_err(|problem| problem.status());
            assert_eq!(found.as_ref().map(Username::as_str).map_err(|status| *status), expected, "{text}");
        }
    }

    #[test]
    fn the_register_says_whose_it_is() {
        let tree = with_accounts(&["joe", "joe_x"]);
        let path = "/var/lib/opterius/databases/joe.json";
        tree.write(path, r#"{"mariadb":{"databases":["joe_x_db"],"users":["joe_x_u@%"]}}"#);
        let owner =
            |engine, text: &str| of_database(&tree.host, engine, &name(text), || Ok(false)).map(|(owner, _)| owner);
        assert_eq!(owner(Engine::MariaDb, "joe_x_db").unwrap().as_str(), "joe");
        assert!(matches!(owner(Engine::Postgresql, "joe_x_db"), Err(Problem::NotFound(_))));
        assert!(matches!(owner(Engine::MariaDb, "joe_x_u"), Err(Problem::NotFound(_))));
        let exists = of_database(&tree.host, Engine::MariaDb, &name("joe_y"), || Ok(true));
        assert!(matches!(exists, Err(Problem::Conflict(_))));
        // A damaged register is an error, and not an account without databases.
        tree.write(path, "{");
        assert!(matches!(owner(Engine::MariaDb, "joe_x_db"), Err(Problem::Failed(_))));
    }
}
