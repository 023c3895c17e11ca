//! Users and their sessions.

use rusqlite::{OptionalExtension, Row, params};

use super::error::Error;
use super::transactions::{ReadTransaction, WriteTransaction};
use super::values;
use crate::model::User;
use opterius_base::clock::Timestamp;

/// The maximum number of sessions of a user. No person needs more; a program that signs in for each request would.
const SESSIONS: u32 = 20;

const DELETE_ENDED: &str = "DELETE FROM sessions WHERE ends_at <= ?1";

/// Deletes all sessions of a user but the newest.
const DELETE_OLDEST: &str = "DELETE FROM sessions WHERE token_sha256 IN (
    SELECT token_sha256 FROM sessions WHERE user = ?1 ORDER BY ends_at DESC LIMIT -1 OFFSET ?2)";

fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User { id: row.get(0)?, name: row.get(1)?, administrator: row.get(2)?, created_at: values::at(row, 3)? })
}

impl ReadTransaction<'_> {
    /// The user with this name, and the password hash.
    ///
    /// # Errors
    /// A store error.
    pub fn user(&self, name: &str) -> Result<Option<(User, String)>, Error> {
        let sql = "SELECT id, name, administrator, created_at, password FROM users WHERE name = ?1";
        let found = self.0.prepare_cached(sql)?.query_row(params![name], |row| Ok((user(row)?, row.get(4)?)));
        Ok(found.optional()?)
    }

    /// All users, by name.
    ///
    /// # Errors
    /// A store error.
    pub fn users(&self) -> Result<Vec<User>, Error> {
        let sql = "SELECT id, name, administrator, created_at FROM users ORDER BY name";
        let mut statement = self.0.prepare_cached(sql)?;
        let found: rusqlite::Result<Vec<User>> = statement.query_map([], user)?.collect();
        Ok(found?)
    }

    /// The user of the session with this token, if it has not ended.
    ///
    /// # Errors
    /// A store error.
    pub fn session(&self, token_sha256: &str, now: Timestamp) -> Result<Option<User>, Error> {
        let sql = "SELECT users.id, name, administrator, created_at FROM sessions JOIN users ON users.id = user
            WHERE token_sha256 = ?1 AND ends_at > ?2";
        Ok(self.0.prepare_cached(sql)?.query_row(params![token_sha256, now.unix()], user).optional()?)
    }
}

impl WriteTransaction<'_> {
    /// Inserts a user and returns its number.
    ///
    /// # Errors
    /// [`Error::Taken`] if the name exists, or another store error.
    pub fn insert_user(&self, name: &str, password_hash: &str, administrator: bool) -> Result<i64, Error> {
        let sql = "INSERT INTO users (name, password, administrator, created_at) VALUES (?1, ?2, ?3, ?4)";
        self.connection().execute(sql, params![name, password_hash, administrator, self.now().unix()])?;
        Ok(self.connection().last_insert_rowid())
    }

    /// Sets the password of a user and ends all sessions of the user.
    ///
    /// # Errors
    /// A store error.
    pub fn set_password(&self, user: i64, password_hash: &str) -> Result<(), Error> {
        self.connection().execute("UPDATE users SET password = ?2 WHERE id = ?1", params![user, password_hash])?;
        self.connection().execute("DELETE FROM sessions WHERE user = ?1", params![user])?;
        Ok(())
    }

    /// Starts a session. Deletes ended sessions, and the user's oldest session if there are too many.
    ///
    /// # Errors
    /// A store error.
    pub fn insert_session(&self, token_sha256: &str, user: i64, ends_at: Timestamp) -> Result<(), Error> {
        self.connection().execute(DELETE_ENDED, params![self.now().unix()])?;
        self.connection().execute(DELETE_OLDEST, params![user, SESSIONS - 1])?;
        let sql = "INSERT INTO sessions (token_sha256, user, ends_at) VALUES (?1, ?2, ?3)";
        self.connection().execute(sql, params![token_sha256, user, ends_at.unix()])?;
        Ok(())
    }

    /// Ends a session.
    ///
    /// # Errors
    /// A store error.
    pub fn delete_session(&self, token_sha256: &str) -> Result<(), Error> {
        self.connection().execute("DELETE FROM sessions WHERE token_sha256 = ?1", params![token_sha256])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{Scratch, plan};

    #[test]
    fn a_new_session_ends_only_the_oldest_of_the_same_user() {
        let mut scratch = Scratch::new();
        let at = Timestamp::from_unix;
        scratch.change(at(0), |transaction| {
            let (anna, bert) =
                (transaction.insert_user("anna", "", false)?, transaction.insert_user("bert", "", false)?);
            transaction.insert_session("bert", bert, at(100))?;
            (1..=25)
                .try_for_each(|number| transaction.insert_session(&format!("anna-{number}"), anna, at(100 + number)))
        });
        let mut lasts = |token: &str| scratch.read(|transaction| transaction.session(token, at(1))).is_some();
        assert!(lasts("bert"));
        for number in 1..=25 {
            assert_eq!(lasts(&format!("anna-{number}")), number > 5, "{number}");
        }
    }

    #[test]
    fn every_session_query_uses_an_index() {
        let mut scratch = Scratch::new();
        for sql in [DELETE_ENDED, DELETE_OLDEST] {
            let plan = scratch.read(|transaction| plan(transaction, sql));
            assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
