//! The register: one file for each account with what it made in the servers of databases. The servers know only names, and
//! of `joe_x_db` no name says whether it belongs to `joe` or to `joe_x`.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::servers::database_server::{DatabaseUser, Engine};
use crate::transaction::Transaction;
use opterius_base::files::{self, FileMode};
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::problem::Problem;
use opterius_host::request::prefixed_name::PrefixedName;
use opterius_host::request::values::Username;

/// The largest file that is read, in bytes: tens of thousands of databases.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// What an account made in one server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// Its databases.
    #[serde(default)]
    pub databases: BTreeSet<PrefixedName>,
    /// Its users, as [`DatabaseUser`] is displayed.
    #[serde(default)]
    users: BTreeSet<String>,
    /// Those users whom the suspension of the account has locked.
    #[serde(default)]
    locked: BTreeSet<String>,
}

/// What an account made in all servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// In MariaDB.
    #[serde(default)]
    mariadb: Owned,
    /// In PostgreSQL.
    #[serde(default)]
    postgresql: Owned,
}

impl Owned {
    /// Its users.
    pub fn users(&self) -> Vec<DatabaseUser> {
        self.users.iter().filter_map(|text| DatabaseUser::parse(text)).collect()
    }

    /// The users whom the suspension has locked.
    pub fn locked(&self) -> Vec<DatabaseUser> {
        self.locked.iter().filter_map(|text| DatabaseUser::parse(text)).collect()
    }

    /// Whether it has this user.
    pub fn has_user(&self, user: &DatabaseUser) -> bool {
        self.users.contains(&user.to_string())
    }

    /// Adds a user.
    pub fn add_user(&mut self, user: &DatabaseUser) {
        self.users.insert(user.to_string());
    }

    /// Removes a user.
    pub fn remove_user(&mut self, user: &DatabaseUser) {
        self.users.remove(&user.to_string());
        self.locked.remove(&user.to_string());
    }

    /// Notes that the suspension locks these users.
    pub fn lock(&mut self, users: &[DatabaseUser]) {
        self.locked.extend(users.iter().map(DatabaseUser::to_string));
    }

    /// Forgets who was locked.
    pub fn unlock(&mut self) {
        self.locked.clear();
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.databases.is_empty() && self.users.is_empty()
    }
}

impl Record {
    /// The record of an account; an empty one if there is no file.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged: whose a database is cannot be guessed.
    pub fn read(host: &Host, account: &Username) -> Result<Self, Problem> {
        let path = path(host, account);
        match files::read(&path, MAX_FILE) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            bytes => bytes
                .and_then(|bytes| serde_json::from_slice(&bytes).map_err(Into::into))
                .map_err(|error| Problem::at(&path, error)),
        }
    }

    /// What the account made in this server.
    pub fn of(&self, engine: Engine) -> &Owned {
        match engine {
            Engine::MariaDb => &self.mariadb,
            Engine::Postgresql => &self.postgresql,
        }
    }

    /// The same, to change it.
    pub fn of_mut(&mut self, engine: Engine) -> &mut Owned {
        match engine {
            Engine::MariaDb => &mut self.mariadb,
            Engine::Postgresql => &mut self.postgresql,
        }
    }

    /// Writes it, readable by root alone.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, transaction: &mut Transaction<'_>, account: &Username) -> Result<(), Problem> {
        let path = path(transaction.host(), account);
        if self.mariadb.is_empty() && self.postgresql.is_empty() {
            return if path.exists() { transaction.remove(&path) } else { Ok(()) };
        }
        // Our own types always serialize.
        transaction.write(&path, &serde_json::to_vec(self).unwrap_or_default(), FileMode::mode(0o600))
    }
}

/// Deletes the record of an account.
///
/// # Errors
/// The file cannot be deleted.
pub fn forget(host: &Host, account: &Username) -> Result<(), Problem> {
    let path = path(host, account);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Problem::at(&path, error)),
        _ => Ok(()),
    }
}

/// Refuses a new account whose name has databases of a former one, which was deleted without the Agent.
///
/// # Errors
/// There is a record.
pub fn refuse_leftover(host: &Host, account: &Username) -> Result<(), Problem> {
    let path = path(host, account);
    if !path.exists() {
        return Ok(());
    }
    Err(Problem::Conflict(format!(
        "An earlier account “{account}” has left databases behind. Delete the databases and users that {} lists, then the file.",
        path.display()
    )))
}

fn path(host: &Host, account: &Username) -> PathBuf {
    host.path(layout::DATABASES).join(format!("{account}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let user = DatabaseUser::parse("alice_u@%").unwrap();
        let mut record = Record::default();
        let owned = record.of_mut(Engine::MariaDb);
        owned.databases.insert(PrefixedName::parse("name", "alice_shop", 64).unwrap());
        owned.add_user(&user);
        owned.lock(std::slice::from_ref(&user));
        let read: Record = serde_json::from_slice(&serde_json::to_vec(&record).unwrap()).unwrap();
        assert_eq!(read, record);
        assert_eq!(
            (read.of(Engine::MariaDb).users(), read.of(Engine::MariaDb).locked()),
            (vec![user.clone()], vec![user.clone()])
        );
        assert!(read.of(Engine::Postgresql).is_empty());
        record.of_mut(Engine::MariaDb).remove_user(&user);
        assert!(record.of(Engine::MariaDb).locked().is_empty() && !record.of(Engine::MariaDb).is_empty());
    }

    #[test]
    fn what_is_missing_in_a_record_is_empty() {
        let read: Record = serde_json::from_str("{}").unwrap();
        assert_eq!(read, Record::default());
    }
}
