//! The sessions of users.

use super::engine::{Queries, Row, params};
use super::error::Error;
use super::transactions::{ReadTransaction, WriteTransaction};
use super::users::{USER, user};
use super::values::at;
use crate::model::{Session, User};
use opterius_base::clock::Timestamp;

/// The maximum number of sessions of a user. No person needs more; a program that signs in for each request would.
const SESSIONS: u32 = 20;

const DELETE_ENDED: &str = "DELETE FROM sessions WHERE ends_at <= ?1";

/// Deletes all sessions of a user but the newest.
const DELETE_OLDEST: &str = "DELETE FROM sessions WHERE token_sha256 IN (
    SELECT token_sha256 FROM sessions WHERE user_id = ?1 ORDER BY ends_at DESC LIMIT 1000000 OFFSET ?2)";

const LIST: &str = "SELECT token_sha256, started_at, used_at, ends_at, address, browser FROM sessions
    WHERE user_id = ?1 AND ends_at > ?2 ORDER BY ends_at DESC";

/// How many characters of the token's hash identify a session among those of its user.
const ID: usize = 16;

/// A session to start.
pub struct NewSession<'a> {
    /// The hash of the token.
    pub token_sha256: &'a str,
    /// The number of the user.
    pub user: i64,
    /// When it ends.
    pub ends_at: Timestamp,
    /// The address from which the user signs in.
    pub address: &'a str,
    /// The browser in a few words.
    pub browser: &'a str,
}

fn session(row: &Row<'_>) -> Result<Session, Error> {
    Ok(Session {
        id: session_id(&row.get::<String>(0)?),
        started_at: at(row, 1)?,
        used_at: at(row, 2)?,
        ends_at: at(row, 3)?,
        address: row.get(4)?,
        browser: row.get(5)?,
    })
}

/// What identifies the session with this token hash among those of its user.
pub fn session_id(token_sha256: &str) -> String {
    token_sha256.chars().take(ID).collect()
}

impl ReadTransaction<'_> {
    /// The user of the session with this token, if it has not ended, and when it was last used.
    ///
    /// # Errors
    /// A store error.
    pub fn session(&self, token_sha256: &str, now: Timestamp) -> Result<Option<(User, Timestamp)>, Error> {
        let sql = format!(
            "SELECT {USER}, used_at FROM sessions JOIN users ON users.id = sessions.user_id
                WHERE token_sha256 = ?1 AND ends_at > ?2 AND users.disabled_at IS NULL"
        );
        let found = |row: &Row<'_>| Ok((user(row)?, at(row, 9)?));
        self.0.query_optional(&sql, params![token_sha256, now.unix()], found)
    }

    /// The sessions of a user that have not ended, newest first.
    ///
    /// # Errors
    /// A store error.
    pub fn sessions(&self, user: i64, now: Timestamp) -> Result<Vec<Session>, Error> {
        self.0.query(LIST, params![user, now.unix()], session)
    }
}

impl WriteTransaction<'_> {
    /// Starts a session. Deletes ended sessions, and the user's oldest session if there are too many.
    ///
    /// # Errors
    /// A store error.
    pub fn insert_session(&self, new: &NewSession<'_>) -> Result<(), Error> {
        self.connection().execute(DELETE_ENDED, params![self.now().unix()])?;
        self.connection().execute(DELETE_OLDEST, params![new.user, SESSIONS - 1])?;
        let sql = "INSERT INTO sessions (token_sha256, user_id, ends_at, started_at, used_at, address, browser)
            VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6)";
        let parameters =
            params![new.token_sha256, new.user, new.ends_at.unix(), self.now().unix(), new.address, new.browser];
        self.connection().execute(sql, parameters)?;
        Ok(())
    }

    /// Records that the session is in use.
    ///
    /// # Errors
    /// A store error.
    pub fn touch_session(&self, token_sha256: &str) -> Result<(), Error> {
        let sql = "UPDATE sessions SET used_at = ?2 WHERE token_sha256 = ?1";
        self.connection().execute(sql, params![token_sha256, self.now().unix()])?;
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

    /// Ends the session of a user with this [`session_id`]; returns whether there was one.
    ///
    /// # Errors
    /// A store error.
    pub fn delete_session_of(&self, user: i64, id: &str) -> Result<bool, Error> {
        if id.len() != ID {
            return Ok(false);
        }
        let sql = "DELETE FROM sessions WHERE user_id = ?1 AND token_sha256 >= ?2 AND token_sha256 < ?3";
        let end = format!("{id}\u{10ffff}");
        Ok(self.connection().execute(sql, params![user, id, end])? > 0)
    }

    /// Ends all sessions of a user but the one with this token hash; returns how many.
    ///
    /// # Errors
    /// A store error.
    pub fn delete_sessions(&self, user: i64, but: Option<&str>) -> Result<usize, Error> {
        let sql = "DELETE FROM sessions WHERE user_id = ?1 AND token_sha256 <> ?2";
        self.connection().execute(sql, params![user, but.unwrap_or_default()])
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
        fn new(token_sha256: &str, user: i64, ends_at: Timestamp) -> NewSession<'_> {
            NewSession { token_sha256, user, ends_at, address: "", browser: "" }
        }
        scratch.change(at(0), |transaction| {
            let (anna, bert) =
                (transaction.insert_user("anna", "", false)?, transaction.insert_user("bert", "", false)?);
            transaction.insert_session(&new("bert", bert, at(100)))?;
            (1..=25).try_for_each(|number| {
                let token_sha256 = format!("anna-{number}");
                transaction.insert_session(&new(&token_sha256, anna, at(100 + number)))
            })
        });
        let mut lasts = |token: &str| scratch.read(|transaction| transaction.session(token, at(1))).is_some();
        assert!(lasts("bert"));
        for number in 1..=25 {
            assert_eq!(lasts(&format!("anna-{number}")), number > 5, "{number}");
        }
    }

    #[test]
    fn every_session_query_uses_an_index() {
        let mut scratch = Scratch::in_file();
        for sql in [DELETE_ENDED, DELETE_OLDEST, LIST] {
            let plan = scratch.read(|transaction| plan(transaction, sql));
            assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
