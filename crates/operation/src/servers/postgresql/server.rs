//! Databases and users of PostgreSQL.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;

use crate::servers::database_server::{DatabaseServer, DatabaseUser, Engine, counted};
use crate::servers::postgresql::client::{Postgresql, string};
use crate::servers::postgresql::session::MAINTENANCE;
use opterius_base::secret::Secret;
use opterius_host::problem::Problem;
use opterius_host::request::prefixed_name::PrefixedName;

/// What no user of an account may do.
pub(super) const LIMITS: &str = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS INHERIT";

/// The role that owns a database.
pub(super) fn owner(database: &PrefixedName) -> String {
    format!("{database}:owner")
}

/// Names as strings, separated by commas.
fn strings<'a>(names: impl IntoIterator<Item = &'a PrefixedName>) -> String {
    names.into_iter().map(|name| string(name.as_str())).collect::<Vec<_>>().join(",")
}

fn names(users: &[DatabaseUser]) -> String {
    strings(users.iter().map(|user| &user.name))
}

impl Postgresql {
    fn has(&self, query: &str) -> Result<bool, Problem> {
        Ok(!self.rows(query)?.is_empty())
    }

    fn has_role(&self, name: &str) -> Result<bool, Problem> {
        self.has(&format!("SELECT 1 FROM pg_roles WHERE rolname = {};\n", string(name)))
    }

    /// Deletes a database, if it exists, and ends the connections to it.
    pub(super) fn drop_named(&self, name: &str) -> Result<(), Problem> {
        if !self.has(&format!("SELECT 1 FROM pg_database WHERE datname = {};\n", string(name)))? {
            return Ok(());
        }
        // Its owner can call it a template, which PostgreSQL does not delete.
        self.run(
            MAINTENANCE,
            &format!(
                "ALTER DATABASE \"{name}\" IS_TEMPLATE false;\nDROP DATABASE IF EXISTS \"{name}\" WITH (FORCE);\n"
            ),
        )
        .map(drop)
    }

    /// The size of these databases, in bytes.
    ///
    /// # Errors
    /// PostgreSQL does not answer.
    pub fn size(&self, databases: &BTreeSet<PrefixedName>) -> Result<u64, Problem> {
        let query = format!(
            "SELECT COALESCE(SUM(pg_database_size(oid)), 0) FROM pg_database WHERE datname IN ({});\n",
            strings(databases)
        );
        Ok(counted(&self.rows(&query)?))
    }
}

impl DatabaseServer for Postgresql {
    fn engine(&self) -> Engine {
        Engine::Postgresql
    }

    fn has_database(&self, database: &PrefixedName) -> Result<bool, Problem> {
        self.has(&format!("SELECT 1 FROM pg_database WHERE datname = {};\n", string(database.as_str())))
    }

    fn strangers(&self, _: &PrefixedName, _: &[&str]) -> Result<Vec<String>, Problem> {
        // Privileges are for databases, and not for patterns of their names.
        Ok(Vec::new())
    }

    fn create_database(&self, database: &PrefixedName) -> Result<(), Problem> {
        let owner = owner(database);
        if !self.has_role(&owner)? {
            self.run(MAINTENANCE, &format!("CREATE ROLE \"{owner}\" NOLOGIN {LIMITS};\n"))?;
        }
        if !self.has_database(database)? {
            // template1 is open to all users, who could keep it from being copied.
            self.run(
                MAINTENANCE,
                &format!(
                    "CREATE DATABASE \"{database}\" OWNER \"{owner}\" TEMPLATE template0 ENCODING 'UTF8' ALLOW_CONNECTIONS \
                     false;\n"
                ),
            )?;
        }
        // It accepts no connections until the other roles have lost their privileges.
        self.run(
            MAINTENANCE,
            &format!(
                "REVOKE ALL ON DATABASE \"{database}\" FROM PUBLIC;\nALTER DATABASE \"{database}\" ALLOW_CONNECTIONS true;\n"
            ),
        )
        .map(drop)
    }

    fn drop_database(&self, database: &PrefixedName) -> Result<(), Problem> {
        self.drop_remains(database)?;
        self.drop_named(database.as_str())?;
        self.drop_role(&owner(database))
    }

    fn dump(&self, database: &PrefixedName, output: OwnedFd) -> Result<(), Problem> {
        self.write_dump(database, output)
    }

    fn restore(&self, database: &PrefixedName, dump: OwnedFd) -> Result<(), Problem> {
        self.read_dump(database, dump)
    }

    fn has_user(&self, user: &DatabaseUser) -> Result<bool, Problem> {
        self.has_role(user.name.as_str())
    }

    fn create_user(
        &self,
        user: &DatabaseUser,
        password: &Secret,
        database: &PrefixedName,
        locked: bool,
    ) -> Result<(), Problem> {
        let (name, owner) = (&user.name, owner(database));
        let command = if self.has_user(user)? { "ALTER" } else { "CREATE" };
        let login = if locked { "NOLOGIN" } else { "LOGIN" };
        let password = string(password.expose());
        self.run(
            MAINTENANCE,
            &format!(
                "BEGIN;\n{command} ROLE \"{name}\" {login} {LIMITS} PASSWORD {password};\nGRANT \"{owner}\" TO \"{name}\";\n\
                 ALTER ROLE \"{name}\" IN DATABASE \"{database}\" SET role TO {};\nCOMMIT;\n",
                string(&owner)
            ),
        )
        .map(drop)
    }

    fn can_use(&self, user: &DatabaseUser, database: &PrefixedName) -> Result<bool, Problem> {
        let (name, database, owner) = (string(user.name.as_str()), string(database.as_str()), string(&owner(database)));
        let rows = self.rows(&format!(
            "SELECT has_database_privilege({name}, {database}, 'CONNECT') AND pg_has_role({name}, {owner}, 'USAGE');\n"
        ))?;
        Ok(rows.iter().flatten().any(|value| value == "t"))
    }

    fn set_password(&self, user: &DatabaseUser, password: &Secret) -> Result<(), Problem> {
        let password = string(password.expose());
        self.run(MAINTENANCE, &format!("ALTER ROLE \"{}\" PASSWORD {password};\n", user.name)).map(drop)
    }

    fn drop_user(&self, user: &DatabaseUser) -> Result<(), Problem> {
        if !self.has_user(user)? {
            return Ok(());
        }
        let users = std::slice::from_ref(user);
        self.set_locked(users, true)?;
        self.disconnect(users)?;
        self.drop_role(user.name.as_str())
    }

    fn unlocked(&self, users: &[DatabaseUser]) -> Result<Vec<DatabaseUser>, Problem> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let rows =
            self.rows(&format!("SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname IN ({});\n", names(users)))?;
        let found: BTreeSet<&str> = rows.iter().flatten().map(String::as_str).collect();
        Ok(users.iter().filter(|user| found.contains(user.name.as_str())).cloned().collect())
    }

    fn set_locked(&self, users: &[DatabaseUser], locked: bool) -> Result<(), Problem> {
        if users.is_empty() {
            return Ok(());
        }
        let query = format!("SELECT rolname FROM pg_roles WHERE rolname IN ({});\n", names(users));
        let login = if locked { "NOLOGIN" } else { "LOGIN" };
        let existing = self.rows(&query)?;
        let statements = existing.iter().flatten().map(|name| format!("ALTER ROLE \"{name}\" {login};\n"));
        self.run(MAINTENANCE, &statements.collect::<String>()).map(drop)
    }

    fn disconnect(&self, users: &[DatabaseUser]) -> Result<u64, Problem> {
        if users.is_empty() {
            return Ok(0);
        }
        let rows = self.rows(&format!(
            "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename IN ({});\n",
            names(users)
        ))?;
        Ok(counted(&rows))
    }
}
