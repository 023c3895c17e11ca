//! Users and their sessions.

use rusqlite::{OptionalExtension, Row, params};

use super::{Changes, Error, Reader};
use crate::clock::Timestamp;
use crate::server::model::User;

fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User { id: row.get(0)?, name: row.get(1)?, administrator: row.get(2)?, created_at: row.get(3)? })
}

impl Reader<'_> {
    /// The user with this name, and the hash of the password.
    ///
    /// # Errors
    /// The store's own.
    pub fn user(&self, name: &str) -> Result<Option<(User, String)>, Error> {
        let sql = "SELECT id, name, administrator, created_at, password FROM users WHERE name = ?1";
        let found = self.0.prepare_cached(sql)?.query_row(params![name], |row| Ok((user(row)?, row.get(4)?)));
        Ok(found.optional()?)
    }

    /// All users, by name.
    ///
    /// # Errors
    /// The store's own.
    pub fn users(&self) -> Result<Vec<User>, Error> {
        let sql = "SELECT id, name, administrator, created_at FROM users ORDER BY name";
        let mut statement = self.0.prepare_cached(sql)?;
        let found: rusqlite::Result<Vec<User>> = statement.query_map([], user)?.collect();
        Ok(found?)
    }

    /// The user of the session with this token, while it lasts.
    ///
    /// # Errors
    /// The store's own.
    pub fn session(&self, token_sha256: &str, now: Timestamp) -> Result<Option<User>, Error> {
        let sql = "SELECT users.id, name, administrator, created_at FROM sessions JOIN users ON users.id = user
            WHERE token_sha256 = ?1 AND ends_at > ?2";
        Ok(self.0.prepare_cached(sql)?.query_row(params![token_sha256, now], user).optional()?)
    }
}

impl Changes<'_> {
    /// Makes a user and returns the number.
    ///
    /// # Errors
    /// [`Error::Taken`] when there is one with this name, or the store's own.
    pub fn insert_user(&self, name: &str, password_hash: &str, administrator: bool) -> Result<i64, Error> {
        let sql = "INSERT INTO users (name, password, administrator, created_at) VALUES (?1, ?2, ?3, ?4)";
        self.connection().execute(sql, params![name, password_hash, administrator, self.now()])?;
        Ok(self.connection().last_insert_rowid())
    }

    /// Sets the password of a user, and ends all sessions of theirs.
    ///
    /// # Errors
    /// The store's own.
    pub fn set_password(&self, user: i64, password_hash: &str) -> Result<(), Error> {
        self.connection().execute("UPDATE users SET password = ?2 WHERE id = ?1", params![user, password_hash])?;
        self.connection().execute("DELETE FROM sessions WHERE user = ?1", params![user])?;
        Ok(())
    }

    /// Starts a session. Those that are over are deleted on the way.
    ///
    /// # Errors
    /// The store's own.
    pub fn insert_session(&self, token_sha256: &str, user: i64, ends_at: Timestamp) -> Result<(), Error> {
        self.connection().execute("DELETE FROM sessions WHERE ends_at <= ?1", params![self.now()])?;
        let sql = "INSERT INTO sessions (token_sha256, user, ends_at) VALUES (?1, ?2, ?3)";
        self.connection().execute(sql, params![token_sha256, user, ends_at])?;
        Ok(())
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The store's own.
    pub fn delete_session(&self, token_sha256: &str) -> Result<(), Error> {
        self.connection().execute("DELETE FROM sessions WHERE token_sha256 = ?1", params![token_sha256])?;
        Ok(())
    }
}
