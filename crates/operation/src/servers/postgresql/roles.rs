//! Deleting roles. PostgreSQL keeps a role as long as something belongs to it or it has privileges for something, in any
//! database: another account can give a role privileges for what is its own.

use crate::servers::postgresql::client::{Postgresql, string};
use crate::servers::postgresql::session::MAINTENANCE;
use opterius_base::hex::unhex;
use opterius_host::problem::Problem;

/// A database in which something depends on a role.
struct Dependence {
    database: String,
    /// The owner of the database, if the role is one of the users who act as it.
    heir: Option<String>,
}

impl Postgresql {
    /// Deletes a role with its privileges, if it exists. What belongs to it goes to the owner of its own database. Elsewhere it
    /// is deleted: a function that runs with its owner's privileges must not get those of a superuser or of another account.
    ///
    /// # Errors
    /// PostgreSQL refuses, or does not answer.
    pub(super) fn drop_role(&self, role: &str) -> Result<(), Problem> {
        for dependence in self.dependences(role)? {
            if self.release(role, &dependence).is_err() {
                // Someone has closed the database, or holds what the role has privileges for.
                self.open(&dependence.database)?;
                self.release(role, &dependence)?;
            }
        }
        self.run(MAINTENANCE, &format!("DROP ROLE IF EXISTS \"{role}\";\n")).map(drop)
    }

    fn dependences(&self, role: &str) -> Result<Vec<Dependence>, Problem> {
        // What all databases share, such as their own privileges, can be given up from any of them.
        let rows = self.rows(&format!(
            "SELECT DISTINCT encode(convert_to(d.datname, 'UTF8'), 'hex'), CASE WHEN o.rolname = d.datname || ':owner' AND NOT \
             o.rolsuper AND pg_has_role(r.oid, o.oid, 'MEMBER') THEN o.rolname END FROM pg_shdepend s JOIN pg_roles r ON r.oid = \
             s.refobjid JOIN pg_database d ON d.oid = s.dbid OR (s.dbid = 0 AND d.datname = {}) JOIN pg_roles o ON o.oid = \
             d.datdba WHERE s.refclassid = 'pg_authid'::regclass AND r.rolname = {};\n",
            string(MAINTENANCE),
            string(role)
        ))?;
        let dependence = |row: Vec<String>| match row.as_slice() {
            [database, heir] => Some(Dependence {
                database: String::from_utf8(unhex(database.as_bytes())?).ok()?,
                heir: Some(heir.clone()).filter(|heir| !heir.is_empty() && heir != role),
            }),
            _ => None,
        };
        Ok(rows.into_iter().filter_map(dependence).collect())
    }

    fn release(&self, role: &str, Dependence { database, heir }: &Dependence) -> Result<(), Problem> {
        let heir = heir.iter().map(|heir| format!("REASSIGN OWNED BY \"{role}\" TO \"{heir}\";\n"));
        // What others have built on the role's own things goes with them, or it would keep the role.
        let statements = heir.chain([format!("DROP OWNED BY \"{role}\" CASCADE;\n")]);
        self.run(&conninfo(database), &statements.collect::<String>()).map(drop)
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
