//! Second factors of users, and their recovery codes.

use super::engine::{Queries, params};
use super::error::Error;
use super::transactions::{ReadTransaction, WriteTransaction};

/// A second factor as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFactor {
    /// The number of the user.
    pub user: i64,
    /// The encrypted secret.
    pub sealed: String,
    /// The last time step whose code was accepted.
    pub step: i64,
}

impl ReadTransaction<'_> {
    /// The second factor of a user.
    ///
    /// # Errors
    /// A store error.
    pub fn second_factor(&self, user: i64) -> Result<Option<StoredFactor>, Error> {
        let sql = "SELECT id, second_factor, second_factor_step FROM users WHERE id = ?1 AND second_factor IS NOT NULL";
        self.0.query_optional(sql, params![user], |row| {
            Ok(StoredFactor { user: row.get(0)?, sealed: row.get(1)?, step: row.get(2)? })
        })
    }

    /// The second factors of all users.
    ///
    /// # Errors
    /// A store error.
    pub fn second_factors(&self) -> Result<Vec<StoredFactor>, Error> {
        let sql = "SELECT id, second_factor, second_factor_step FROM users WHERE second_factor IS NOT NULL";

        self.0.query(sql, &[], |row| Ok(StoredFactor { user: row.get(0)?, sealed: row.get(1)?, step: row.get(2)? }))
    }

    /// Whether the user has this unused recovery code.
    ///
    /// # Errors
    /// A store error.
    pub fn has_recovery_code(&self, user: i64, code_sha256: &str) -> Result<bool, Error> {
        let sql = "SELECT EXISTS (SELECT 1 FROM recovery_codes WHERE user_id = ?1 AND code_sha256 = ?2)";
        self.0.query_row(sql, params![user, code_sha256], |row| row.get(0))
    }

    /// How many unused recovery codes the user has.
    ///
    /// # Errors
    /// A store error.
    pub fn count_recovery_codes(&self, user: i64) -> Result<u32, Error> {
        let sql = "SELECT count(*) FROM recovery_codes WHERE user_id = ?1";
        self.0.query_row(sql, params![user], |row| row.get(0))
    }
}

impl WriteTransaction<'_> {
    /// Sets the second factor of a user; the code of `step` has been used.
    ///
    /// # Errors
    /// A store error.
    pub fn put_second_factor(&self, user: i64, sealed: &str, step: i64) -> Result<(), Error> {
        let sql = "UPDATE users SET second_factor = ?2, second_factor_step = ?3, second_factor_at = ?4 WHERE id = ?1";
        self.connection().execute(sql, params![user, sealed, step, self.now().unix()])?;
        Ok(())
    }

    /// Replaces the encrypted secret with the same secret under another key.
    ///
    /// # Errors
    /// A store error.
    pub fn reseal_second_factor(&self, user: i64, sealed: &str) -> Result<(), Error> {
        let sql = "UPDATE users SET second_factor = ?2 WHERE id = ?1 AND second_factor IS NOT NULL";
        self.connection().execute(sql, params![user, sealed])?;
        Ok(())
    }

    /// Records the time step of an accepted code; returns false if its code, or a later one, was accepted before.
    ///
    /// # Errors
    /// A store error.
    pub fn use_step(&self, user: i64, step: i64) -> Result<bool, Error> {
        let sql = "UPDATE users SET second_factor_step = ?2 WHERE id = ?1 AND second_factor_step < ?2";
        Ok(self.connection().execute(sql, params![user, step])? > 0)
    }

    /// Removes the second factor of a user and its recovery codes.
    ///
    /// # Errors
    /// A store error.
    pub fn delete_second_factor(&self, user: i64) -> Result<(), Error> {
        let sql = "UPDATE users SET second_factor = NULL, second_factor_at = NULL WHERE id = ?1";
        self.connection().execute(sql, params![user])?;
        self.connection().execute("DELETE FROM recovery_codes WHERE user_id = ?1", params![user])?;
        Ok(())
    }

    /// Replaces the recovery codes of a user.
    ///
    /// # Errors
    /// A store error.
    pub fn put_recovery_codes(&self, user: i64, hashes: &[String]) -> Result<(), Error> {
        self.connection().execute("DELETE FROM recovery_codes WHERE user_id = ?1", params![user])?;
        for hash in hashes {
            self.connection()
                .execute("INSERT INTO recovery_codes (user_id, code_sha256) VALUES (?1, ?2)", params![user, hash])?;
        }
        Ok(())
    }

    /// Uses up a recovery code; returns false if the user has no such code.
    ///
    /// # Errors
    /// A store error.
    pub fn use_recovery_code(&self, user: i64, code_sha256: &str) -> Result<bool, Error> {
        let sql = "DELETE FROM recovery_codes WHERE user_id = ?1 AND code_sha256 = ?2";
        Ok(self.connection().execute(sql, params![user, code_sha256])? > 0)
    }
}
