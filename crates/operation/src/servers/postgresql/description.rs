//! What PostgreSQL says about a database.

use crate::servers::database_server::counted;
use crate::servers::postgresql::client::{Postgresql, string};
use crate::servers::postgresql::server::owner;
use opterius_host::problem::Problem;
use opterius_host::request::prefixed_name::{MAX_POSTGRESQL_USER, PrefixedName};

/// A database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Its size on disk, in bytes.
    pub bytes: u64,
    /// The size as PostgreSQL writes it for people, such as `7453 kB`.
    pub size: String,
    /// How many tables there are outside of the system's schemas.
    pub table_count: u64,
    /// The users who can act as its owner.
    pub users: Vec<String>,
}

impl Postgresql {
    /// Describes a database.
    ///
    /// # Errors
    /// PostgreSQL does not answer.
    pub fn describe(&self, database: &PrefixedName) -> Result<Description, Problem> {
        let name = string(database.as_str());
        let size =
            self.rows(&format!("SELECT pg_database_size({name}), pg_size_pretty(pg_database_size({name}));\n"))?;
        let (bytes, size) = match size.into_iter().next().as_deref() {
            Some([bytes, size]) => (bytes.parse().unwrap_or(0), size.clone()),
            _ => (0, String::new()),
        };
        // This connection runs in a database of a tenant's: it looks at the system's tables and at nothing else.
        let count = self.rows_in(
            database.as_str(),
            "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind \
             IN ('r', 'p') AND NOT c.relispartition AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%';\n",
        )?;
        let users = self.rows(&format!(
            "SELECT m.rolname FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member JOIN pg_roles o ON o.oid = a.roleid \
             WHERE o.rolname = {} ORDER BY 1;\n",
            string(&owner(database))
        ))?;
        let is_user = |name: &String| PrefixedName::parse("username", name, MAX_POSTGRESQL_USER).is_ok();
        Ok(Description {
            bytes,
            size,
            table_count: counted(&count),
            users: users.into_iter().flatten().filter(is_user).collect(),
        })
    }
}
