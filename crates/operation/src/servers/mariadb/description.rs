//! What MariaDB says about a database. Tenants choose the names of tables, so they come as hexadecimal digits.

use std::collections::BTreeMap;

use crate::servers::database_server::DatabaseUser;
use crate::servers::mariadb::client::{MariaDb, pattern};
use opterius_base::hex::unhex;
use opterius_host::problem::Problem;
use opterius_host::request::prefixed_name::{MAX_MARIADB_DATABASE, PrefixedName};

/// The most tables that are listed.
pub const MAX_TABLES: usize = 1000;

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The name.
    pub name: String,
    /// Data and indexes, in bytes.
    pub bytes: u64,
    /// About how many rows it has.
    pub rows: u64,
    /// The storage engine.
    pub engine: String,
}

/// A database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// All tables, in bytes.
    pub bytes: u64,
    /// How many tables there are.
    pub table_count: u64,
    /// The first [`MAX_TABLES`] tables.
    pub tables: Vec<Table>,
    /// Who has privileges for it: names and hosts.
    pub users: Vec<(String, String)>,
}

impl MariaDb {
    /// Describes a database.
    ///
    /// # Errors
    /// MariaDB does not answer.
    pub fn describe(&self, database: &PrefixedName) -> Result<Description, Problem> {
        let total = self.rows(&format!(
            "SELECT COUNT(*), COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) FROM information_schema.TABLES WHERE \
             TABLE_SCHEMA = '{database}' AND TABLE_TYPE = 'BASE TABLE';\n"
        ))?;
        let number = |at: usize| total.first().and_then(|row| row.get(at)?.parse().ok()).unwrap_or(0);
        Ok(Description {
            table_count: number(0),
            bytes: number(1),
            tables: self.tables(database)?,
            users: self.privileged(database)?,
        })
    }

    /// Who has privileges for a database, other than users of ours: names and hosts.
    ///
    /// # Errors
    /// MariaDB does not answer.
    pub fn privileged(&self, database: &PrefixedName) -> Result<Vec<(String, String)>, Problem> {
        let escaped = pattern(database.as_str()).replace('\\', "\\\\");
        let rows = self.rows(&format!(
            "SELECT HEX(User), HEX(Host) FROM mysql.db WHERE Db IN ('{escaped}', '{database}') ORDER BY User, Host;\n"
        ))?;
        let user = |row: Vec<String>| match row.as_slice() {
            [user, host] => Some((from_hex(user), from_hex(host))),
            _ => None,
        };
        // Neither users for tasks nor users who are kept out at the moment.
        Ok(rows.into_iter().filter_map(user).filter(|(user, _)| !user.contains(':')).collect())
    }

    /// All databases with an account's name in front.
    ///
    /// # Errors
    /// MariaDB does not answer.
    pub fn databases(&self) -> Result<Vec<PrefixedName>, Problem> {
        let rows = self.rows("SELECT HEX(SCHEMA_NAME) FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME;\n")?;
        let name = |digits: &String| PrefixedName::parse("name", &from_hex(digits), MAX_MARIADB_DATABASE).ok();
        Ok(rows.iter().flatten().filter_map(name).collect())
    }

    /// All users with an account's name in front who have no privileges but for whole databases, each with the patterns of
    /// these databases' names.
    ///
    /// # Errors
    /// MariaDB does not answer.
    pub fn plain_users(&self) -> Result<Vec<(DatabaseUser, Vec<String>)>, Problem> {
        let rows = self.rows(
            "SELECT HEX(CONCAT(g.User, '@', g.Host)), HEX(COALESCE(d.Db, '')) FROM mysql.global_priv g LEFT JOIN mysql.db d ON \
             d.User = g.User AND d.Host = g.Host WHERE JSON_EXTRACT(g.Priv, '$.access') = 0 AND COALESCE(d.Grant_priv, 'N') = \
             'N' AND (g.User, g.Host) NOT IN (SELECT User, Host FROM mysql.tables_priv) AND (g.User, g.Host) NOT IN (SELECT \
             User, Host FROM mysql.columns_priv) AND (g.User, g.Host) NOT IN (SELECT User, Host FROM mysql.procs_priv) AND \
             (g.User, g.Host) NOT IN (SELECT User, Host FROM mysql.roles_mapping) ORDER BY g.User, g.Host;\n",
        )?;
        let mut users: BTreeMap<DatabaseUser, Vec<String>> = BTreeMap::new();
        for row in rows {
            let [user, pattern] = row.as_slice() else { continue };
            let Some(user) = DatabaseUser::parse(&from_hex(user)) else { continue };
            let patterns = users.entry(user).or_default();
            patterns.extend(Some(from_hex(pattern)).filter(|pattern| !pattern.is_empty()));
        }
        Ok(users.into_iter().collect())
    }

    /// The first [`MAX_TABLES`] tables.
    pub(super) fn tables(&self, database: &PrefixedName) -> Result<Vec<Table>, Problem> {
        let rows = self.rows(&format!(
            "SELECT HEX(TABLE_NAME), COALESCE(DATA_LENGTH + INDEX_LENGTH, 0), COALESCE(TABLE_ROWS, 0), COALESCE(ENGINE, '') \
             FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{database}' AND TABLE_TYPE = 'BASE TABLE' ORDER BY \
             TABLE_NAME LIMIT {MAX_TABLES};\n"
        ))?;
        let table = |row: Vec<String>| match row.as_slice() {
            [name, bytes, rows, engine] => Some(Table {
                name: from_hex(name),
                bytes: bytes.parse().ok()?,
                rows: rows.parse().ok()?,
                engine: engine.clone(),
            }),
            _ => None,
        };
        Ok(rows.into_iter().filter_map(table).collect())
    }
}

/// The text that MariaDB wrote as hexadecimal digits.
pub(super) fn from_hex(digits: &str) -> String {
    let bytes = unhex(digits.to_ascii_lowercase().as_bytes()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_are_text() {
        assert_eq!(from_hex("610AC3A45C60"), "a\nä\\`");
        assert_eq!(from_hex(""), "");
        assert_eq!(from_hex("61f"), "");
    }
}
