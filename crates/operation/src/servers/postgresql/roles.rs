//! Deleting roles. PostgreSQL keeps a role as long as something belongs to it or it has privileges for something, in any
//! database: another account can give a role privileges for what is its own.

use crate::servers::postgresql::client::{MAINTENANCE, Postgresql, string};
use opterius_base::hex::unhex;
use opterius_host::problem::Problem;

impl Postgresql {
    /// Deletes a role with its privileges, if it exists. What belongs to it goes to the owner of the database where it is.
    ///
    /// # Errors
    /// PostgreSQL refuses, or does not answer.
    pub(super) fn drop_role(&self, role: &str) -> Result<(), Problem> {
        for (database, owner) in self.databases_with(role)? {
            let release = || self.release(role, &database, &owner);
            if release().is_err() {
                // Someone has closed the database, or holds what the role has privileges for.
                self.open(&database)?;
                release()?;
            }
        }
        self.run(MAINTENANCE, &format!("DROP ROLE IF EXISTS \"{role}\";\n")).map(drop)
    }

    /// The databases in which something depends on the role, and their owners.
    fn databases_with(&self, role: &str) -> Result<Vec<(String, String)>, Problem> {
        // What all databases share, such as their own privileges, can be given up from any of them.
        let rows = self.rows(&format!(
            "SELECT DISTINCT encode(convert_to(d.datname, 'UTF8'), 'hex'), \
             encode(convert_to(pg_get_userbyid(d.datdba), 'UTF8'), 'hex') FROM pg_shdepend s JOIN pg_roles r ON r.oid = \
             s.refobjid JOIN pg_database d ON d.oid = s.dbid OR (s.dbid = 0 AND d.datname = {}) WHERE s.refclassid = \
             'pg_authid'::regclass AND r.rolname = {};\n",
            string(MAINTENANCE),
            string(role)
        ))?;
        let text = |digits: &str| String::from_utf8(unhex(digits.as_bytes())?).ok();
        let pair = |row: Vec<String>| match row.as_slice() {
            [database, owner] => Some((text(database)?, text(owner)?)),
            _ => None,
        };
        Ok(rows.into_iter().filter_map(pair).collect())
    }

    fn release(&self, role: &str, database: &str, owner: &str) -> Result<(), Problem> {
        let owner = if owner == role { "postgres".to_owned() } else { owner.replace('"', "\"\"") };
        self.run(
            &conninfo(database),
            &format!("REASSIGN OWNED BY \"{role}\" TO \"{owner}\";\nDROP OWNED BY \"{role}\";\n"),
        )
        .map(drop)
    }

    /// Lets us into a database, and ends all connections to it.
    fn open(&self, database: &str) -> Result<(), Problem> {
        let quoted = database.replace('"', "\"\"");
        self.run(
            MAINTENANCE,
            &format!(
                "ALTER DATABASE \"{quoted}\" ALLOW_CONNECTIONS true;\nSELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = {} AND pid <> pg_backend_pid();\n",
                string(database)
            ),
        )
        .map(drop)
    }
}

/// A connection string that names this database, whatever characters it has.
fn conninfo(database: &str) -> String {
    format!("dbname='{}'", database.replace('\\', "\\\\").replace('\'', "\\'"))
}
