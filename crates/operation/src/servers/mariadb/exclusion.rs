//! Keeping an account's users out of a database, and other transactions out of its tables, before its content is dropped:
//! MariaDB drops the tables one by one, and one that cannot be dropped would stay alone.
//!
//! A user is kept out by giving the privileges to a user who does not exist: those of `alice_u` to `alice:u`. They are in
//! MariaDB's own table, so a repeat finds what an interrupted operation has left.

use crate::servers::database_server::DatabaseUser;
use crate::servers::mariadb::client::{MariaDb, pattern};
use opterius_host::problem::Problem;
use opterius_host::request::prefixed_name::PrefixedName;

/// Users who are kept out. The name of a user for a task has an underscore before the colon.
const KEPT_OUT: &str = "User REGEXP '^[^_:]+:'";

/// The longest statement that locks all tables, in bytes.
const MAX_STATEMENT: u32 = 64 * 1024 * 1024;

/// Who has the privileges of a user who is kept out.
pub(super) fn kept_out(user: &PrefixedName) -> String {
    user.as_str().replacen('_', ":", 1)
}

/// A condition for the privileges for a database.
fn privileges(database: &PrefixedName) -> String {
    format!("Db IN ('{}', '{database}')", pattern(database.as_str()).replace('\\', "\\\\"))
}

impl MariaDb {
    /// Takes a database from these users, until [`Self::let_in`], and ends their connections.
    pub(super) fn shut_out(&self, database: &PrefixedName, users: &[DatabaseUser]) -> Result<(), Problem> {
        if users.is_empty() {
            return Ok(());
        }
        let privileges = privileges(database);
        let take = |user: &DatabaseUser| {
            let kept_out = kept_out(&user.name);
            format!("UPDATE mysql.db SET User = '{kept_out}' WHERE {privileges} AND User = '{}';\n", user.name)
        };
        let end = |user: &DatabaseUser| format!("KILL HARD USER '{}';\n", user.name);
        let taken: String = users.iter().map(take).collect();
        let ended: String = users.iter().map(end).collect();
        self.run(&(taken + "FLUSH PRIVILEGES;\n" + &ended)).map(drop)
    }

    /// Gives a database back to those who were kept out of it, also by an interrupted operation.
    pub(super) fn let_in(&self, database: &PrefixedName) -> Result<(), Problem> {
        let condition = format!("{} AND {KEPT_OUT}", privileges(database));
        if self.rows(&format!("SELECT 1 FROM mysql.db WHERE {condition};\n"))?.is_empty() {
            return Ok(());
        }
        // Who got the database meanwhile has the privileges already.
        self.run(&format!(
            "UPDATE IGNORE mysql.db SET User = INSERT(User, LOCATE(':', User), 1, '_') WHERE {condition};\nDELETE FROM mysql.db \
             WHERE {condition};\nFLUSH PRIVILEGES;\n"
        ))
        .map(drop)
    }

    /// Checks that no transaction holds a table. A prepared one goes on without a connection, and no lock but InnoDB's own
    /// tells of it, for which LOCK TABLES waits only without autocommit.
    pub(super) fn require_idle(&self, database: &PrefixedName) -> Result<(), Problem> {
        self.lock_tables(database, "SET SESSION autocommit=0;\n", "WRITE", "= 'InnoDB'").map_err(|said| {
            let prepared = self.rows("XA RECOVER;\n").is_ok_and(|rows| !rows.is_empty());
            let remedy = if prepared {
                "There are prepared transactions, which go on without a connection. As root in MariaDB, list them: XA RECOVER \
                 FORMAT='SQL'; and end those of this account: XA ROLLBACK …; Then try again."
            } else {
                "Try again."
            };
            Problem::TimedOut(format!(
                "Another transaction holds a table of the database “{database}”, so nothing in it was deleted. {remedy} ({said})"
            ))
        })
    }

    /// Checks that no session keeps others from reading a table.
    pub(super) fn require_readable(&self, database: &PrefixedName) -> Result<(), Problem> {
        self.lock_tables(database, "", "READ LOCAL", "IS NOT NULL").map_err(|said| {
            Problem::TimedOut(format!(
                "The database “{database}” was not dumped, because another session holds a table of it. Try again when that session \
                 has ended. ({said})"
            ))
        })
    }

    /// Locks all tables for a moment; the error says which lock it waited for in vain. A damaged table is no error here.
    fn lock_tables(&self, database: &PrefixedName, settings: &str, lock: &str, engine: &str) -> Result<(), String> {
        let locked = self.run(&format!(
            "{settings}SET SESSION group_concat_max_len={MAX_STATEMENT};\nSELECT CONCAT('LOCK TABLES ', GROUP_CONCAT('`', \
             REPLACE(TABLE_SCHEMA, '`', '``'), '`.`', REPLACE(TABLE_NAME, '`', '``'), '` {lock}')) INTO @tables FROM \
             information_schema.TABLES WHERE TABLE_SCHEMA = '{database}' AND TABLE_TYPE = 'BASE TABLE' AND ENGINE {engine};\nEXECUTE \
             IMMEDIATE COALESCE(@tables, 'DO 0');\n"
        ));
        match locked {
            Err(Problem::TimedOut(said)) => Err(said),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opterius_host::request::prefixed_name::MAX_MARIADB_USER;

    #[test]
    fn a_user_who_is_kept_out_has_no_name_of_an_account_or_a_task() {
        for (name, expected) in [("alice_u", "alice:u"), ("joe_x_u", "joe:x_u"), ("a-b_c-d", "a-b:c-d")] {
            assert_eq!(kept_out(&PrefixedName::parse("username", name, MAX_MARIADB_USER).unwrap()), expected);
        }
    }
}
