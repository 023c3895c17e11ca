//! Links with which users set their password.

use super::engine::{Queries, params};
use super::error::Error;
use super::transactions::{ReadTransaction, WriteTransaction};
use super::users::{USER, user};
use crate::model::{LinkPurpose, User};
use opterius_base::clock::Timestamp;

/// A link that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordLink {
    /// Who sets a password with it.
    pub user: User,
    /// The user's present password hash; empty if there is none.
    pub password: String,
    /// The hash of the password hash that the user had when the link was made.
    pub password_sha256: String,
}

impl ReadTransaction<'_> {
    /// The link with this token hash, if it has not ended.
    ///
    /// # Errors
    /// A store error.
    pub fn password_link(&self, token_sha256: &str, now: Timestamp) -> Result<Option<PasswordLink>, Error> {
        let sql = format!(
            "SELECT {USER}, users.password, password_sha256 FROM password_links
                JOIN users ON users.id = password_links.user_id WHERE token_sha256 = ?1 AND ends_at > ?2"
        );
        self.0.query_optional(&sql, params![token_sha256, now.unix()], |row| {
            Ok(PasswordLink { user: user(row)?, password: row.get(9)?, password_sha256: row.get(10)? })
        })
    }
}

impl WriteTransaction<'_> {
    /// Stores the link of a user; an earlier one of the user ends.
    ///
    /// # Errors
    /// A store error.
    pub fn put_password_link(
        &self,
        user: i64,
        token_sha256: &str,
        purpose: LinkPurpose,
        password_sha256: &str,
        ends_at: Timestamp,
    ) -> Result<(), Error> {
        let sql = "INSERT INTO password_links (user_id, token_sha256, purpose, password_sha256, ends_at)
            VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (user_id) DO UPDATE SET token_sha256 = ?2, purpose = ?3, password_sha256 = ?4, ends_at = ?5";
        let parameters = params![user, token_sha256, purpose.as_str(), password_sha256, ends_at.unix()];
        self.connection().execute(sql, parameters)?;
        Ok(())
    }

    /// Ends the link of a user, if there is one.
    ///
    /// # Errors
    /// A store error.
    pub fn delete_password_link(&self, user: i64) -> Result<(), Error> {
        self.connection().execute("DELETE FROM password_links WHERE user_id = ?1", params![user])?;
        Ok(())
    }
}
