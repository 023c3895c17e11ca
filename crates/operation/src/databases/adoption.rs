//! Taking in the databases and users that exist in MariaDB already, made by another Agent or by hand, if their names and
//! privileges say whose they are: a database is an account's if its users are, and a user if all of the user's databases are.

use std::collections::BTreeSet;

use crate::databases::owner;
use crate::databases::record::Record;
use crate::servers::database_server::Engine;
use crate::servers::mariadb::{self, MariaDb};
use crate::transaction::Transaction;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::prefixed_name::PrefixedName;
use opterius_host::request::values::Username;

/// Enters databases and users into the register of the accounts in front of their names. Returns a sentence for each, and one
/// for a MariaDB that does not work.
///
/// # Errors
/// The register cannot be read or written.
pub fn adopt(transaction: &mut Transaction<'_>, deadline: Deadline) -> Result<Vec<String>, Problem> {
    let host = transaction.host();
    if !mariadb::is_installed(host) {
        return Ok(Vec::new());
    }
    let found = MariaDb::new(host, deadline).and_then(|server| {
        let databases = server.databases()?.into_iter();
        let databases = databases.map(|database| Ok((server.privileged(&database)?, database)));
        Ok((databases.collect::<Result<Vec<_>, Problem>>()?, server.plain_users()?))
    });
    let (databases, users) = match found {
        Ok(found) => found,
        Err(problem) => return Ok(vec![format!("Databases were not looked for: {}", problem.message())]),
    };
    let mut sentences = Vec::new();
    for (privileged, database) in databases {
        let Some((account, mut record)) = heir(host, &database)? else { continue };
        // The Panel's own database, or an administrator's, can start with an account's name, too.
        let prefix = format!("{account}_");
        if privileged.is_empty() || !privileged.iter().all(|(user, _)| user.starts_with(&prefix)) {
            continue;
        }
        if record.of_mut(Engine::MariaDb).databases.insert(database.clone()) {
            record.write(transaction, &account)?;
            sentences.push(format!("The MariaDB database “{database}” now belongs to “{account}”."));
        }
    }
    for (user, patterns) in users {
        let Some((account, mut record)) = heir(host, &user.name)? else { continue };
        let owned = record.of_mut(Engine::MariaDb);
        if owned.has_user(&user) {
            continue;
        }
        if reaches_only(&patterns, &owned.databases) {
            owned.add_user(&user);
            record.write(transaction, &account)?;
            sentences.push(format!("The MariaDB user “{user}” now belongs to “{account}”."));
        } else {
            sentences.push(format!(
                "The MariaDB user “{user}” was not given to “{account}”: the user has privileges for something else."
            ));
        }
    }
    Ok(sentences)
}

/// The account that something of this name belongs to, if there is exactly one and the Agent may change it.
fn heir(host: &Host, name: &PrefixedName) -> Result<Option<(Username, Record)>, Problem> {
    match owner::of_new(host, name) {
        Ok(account) => Record::read(host, &account).map(|record| Some((account, record))),
        Err(Problem::NotFound(_) | Problem::Conflict(_)) => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// Whether all patterns of a user's privileges are names of these databases, with or without escaped wildcards.
fn reaches_only(patterns: &[String], databases: &BTreeSet<PrefixedName>) -> bool {
    let names: BTreeSet<String> = patterns.iter().map(|pattern| pattern.replace("\\_", "_")).collect();
    names.iter().all(|name| databases.iter().any(|database| database.as_str() == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileges_for_something_else_are_noticed() {
        let databases = ["a_x", "a_y"].map(|name| PrefixedName::parse("name", name, 64).unwrap()).into();
        let reaches = |patterns: &[&str]| {
            reaches_only(&patterns.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(), &databases)
        };
        assert!(reaches(&[]) && reaches(&["a\\_x"]) && reaches(&["a_x", "a\\_y"]));
        assert!(!reaches(&["%"]) && !reaches(&["a\\_%"]) && !reaches(&["a_x", "mysql"]) && !reaches(&["b_x"]));
    }
}
