//! Restoring a database from a dump: into a new database, which then takes the name of the old one.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::fd::OwnedFd;

use crate::servers::database_server::DatabaseServer;
use crate::servers::postgresql::client::{Postgresql, string};
use crate::servers::postgresql::server::owner;
use crate::servers::postgresql::session::MAINTENANCE;
use opterius_base::hex::unhex;
use opterius_host::problem::Problem;
use opterius_host::request::prefixed_name::PrefixedName;

/// Options of a restoration.
const OPTIONS: [&str; 7] = [
    "--exit-on-error",
    "--no-owner",
    "--no-privileges",
    "--no-tablespaces",
    "--no-publications",
    "--no-subscriptions",
    "--no-security-labels",
];

/// How often the database is taken from those who connect again.
const ATTEMPTS: usize = 5;

/// The database that is being restored.
fn new(database: &PrefixedName) -> String {
    format!("{database}:new")
}

/// The database that was replaced.
fn old(database: &PrefixedName) -> String {
    format!("{database}:old")
}

impl Postgresql {
    pub(super) fn read_dump(&self, database: &PrefixedName, dump: OwnedFd) -> Result<(), Problem> {
        self.require_database(database)?;
        self.drop_remains(database)?;
        let restored = self.fill(database, dump).and_then(|()| self.swap(database));
        restored.and(self.cleanup().drop_remains(database))
    }

    /// Deletes what an interrupted dump or restoration has left.
    pub(super) fn drop_remains(&self, database: &PrefixedName) -> Result<(), Problem> {
        self.drop_named(&new(database))?;
        self.drop_named(&old(database))?;
        self.drop_login(database)
    }

    /// Restores into a new database. Only the role for this task can connect before its content belongs to the owner.
    fn fill(&self, database: &PrefixedName, dump: OwnedFd) -> Result<(), Problem> {
        let failed = |error| Problem::failed("The dump of the database cannot be read", error);
        let new = new(database);
        self.run(
            MAINTENANCE,
            &format!("CREATE DATABASE \"{new}\" TEMPLATE template0 ENCODING 'UTF8' ALLOW_CONNECTIONS false;\n"),
        )?;
        self.run(
            MAINTENANCE,
            &format!(
                "REVOKE ALL ON DATABASE \"{new}\" FROM PUBLIC;\nALTER DATABASE \"{new}\" ALLOW_CONNECTIONS true;\n"
            ),
        )?;
        // Tenants can install extensions that PostgreSQL trusts. Others that the administrator has installed are needed
        // before the dump is restored, while nothing in the database is a tenant's.
        let extensions = self.extensions_of_administrator(database)?;
        if !extensions.is_empty() {
            let create = |name: &String| format!("CREATE EXTENSION {} CASCADE;\n", quoted(name));
            let statements = extensions.iter().map(create).collect::<String>();
            self.run(&new, &("SET search_path = public;\n".to_owned() + &statements))?;
        }
        self.run(MAINTENANCE, &format!("ALTER DATABASE \"{new}\" OWNER TO \"{}\";\n", owner(database)))?;
        let login = self.create_login(database)?;
        let mut file = File::from(dump);
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let restored = self.run_as(&login, "pg_restore", |tool| {
            let tool = tool.args(OPTIONS).arg(format!("--dbname={new}")).descriptor(file.into());
            // A comment of an extension is its owner's to write.
            if extensions.is_empty() { tool } else { tool.arg("--no-comments") }
        });
        restored.map_err(|problem| match problem {
            Problem::Failed(said) => Problem::Failed(format!(
                "The dump of the database “{database}” could not be restored, and the database is unchanged. {said}"
            )),
            other => other,
        })?;
        // Before the role is deleted, with what it still has.
        self.run(&new, &format!("REASSIGN OWNED BY \"{}\" TO \"{}\";\n", login.role, owner(database)))?;
        self.drop_login(database)
    }

    fn extensions_of_administrator(&self, database: &PrefixedName) -> Result<Vec<String>, Problem> {
        let rows = self.rows_in(
            database.as_str(),
            "SELECT encode(convert_to(e.extname, 'UTF8'), 'hex') FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_roles r ON \
             r.oid = e.extowner WHERE r.rolsuper AND e.extname <> 'plpgsql' ORDER BY e.oid;\n",
        )?;
        Ok(rows.iter().flatten().filter_map(|digits| String::from_utf8(unhex(digits.as_bytes())?).ok()).collect())
    }

    /// Gives the new database the name and the settings of the old one, in one transaction.
    fn swap(&self, database: &PrefixedName) -> Result<(), Problem> {
        let (new, old) = (new(database), old(database));
        let oid = |name: &str| format!("(SELECT oid FROM pg_database WHERE datname = {})", string(name));
        let statements = format!(
            "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname IN ({}, {});\nBEGIN;\nALTER DATABASE \
             \"{database}\" RENAME TO \"{old}\";\nALTER DATABASE \"{new}\" RENAME TO \"{database}\";\nDELETE FROM \
             pg_db_role_setting WHERE setdatabase = {};\nINSERT INTO pg_db_role_setting SELECT {}, setrole, setconfig FROM \
             pg_db_role_setting WHERE setdatabase = {};\nCOMMIT;\n",
            string(database.as_str()),
            string(&new),
            oid(database.as_str()),
            oid(database.as_str()),
            oid(&old),
        );
        let mut attempts = 0..ATTEMPTS;
        loop {
            match self.run(MAINTENANCE, &statements) {
                Err(Problem::TimedOut(_)) if attempts.next().is_some() && !self.deadline.is_over() => {}
                result => return result.map(drop),
            }
        }
    }
}

/// A name in quotes.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
