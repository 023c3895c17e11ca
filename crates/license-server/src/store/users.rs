//! Users.

use super::engine::{Queries, Row, params};
use super::error::Error;
use super::transactions::{ReadTransaction, WriteTransaction};
use super::values;
use crate::model::User;
use crate::model::user_name::folded;

/// The columns of a user, as [`user`] reads them.
pub(super) const USER: &str = "users.id, users.name, users.display_name, users.mail, users.administrator,
    users.disabled_at, users.password <> '', users.second_factor_at, users.created_at";

/// The query of [`ReadTransaction::list_users`].
const LIST: &str = "FROM users WHERE folded_name > ?1 AND folded_name >= ?2 AND folded_name < ?3
    ORDER BY folded_name LIMIT ?4";

/// The query of [`ReadTransaction::users_by_mail`].
const BY_MAIL: &str = "FROM users WHERE mail IS NOT NULL AND lower(mail) >= ?1 AND lower(mail) < ?2
    ORDER BY lower(mail) LIMIT ?3";

/// The query of [`ReadTransaction::other_administrator_can_sign_in`].
const OTHER_ADMINISTRATOR: &str = "SELECT EXISTS (SELECT 1 FROM users
    WHERE administrator = 1 AND id <> ?1 AND disabled_at IS NULL AND password <> '')";

pub(super) fn user(row: &Row<'_>) -> Result<User, Error> {
    Ok(User {
        id: row.get(0)?,
        name: row.get(1)?,
        display_name: row.get(2)?,
        mail: row.get(3)?,
        administrator: row.get(4)?,
        disabled_at: values::at_if_any(row, 5)?,
        has_password: row.get(6)?,
        second_factor_at: values::at_if_any(row, 7)?,
        created_at: values::at(row, 8)?,
    })
}

impl ReadTransaction<'_> {
    /// The user with this name, and the password hash, which is empty for a user without a password.
    ///
    /// # Errors
    /// A store error.
    pub fn user(&self, name: &str) -> Result<Option<(User, String)>, Error> {
        let sql = format!("SELECT {USER}, password FROM users WHERE folded_name = ?1");
        self.0.query_optional(&sql, params![folded(name)], |row| Ok((user(row)?, row.get(9)?)))
    }

    /// The user with this number, and the password hash.
    ///
    /// # Errors
    /// A store error.
    pub fn user_with_id(&self, id: i64) -> Result<Option<(User, String)>, Error> {
        let sql = format!("SELECT {USER}, password FROM users WHERE id = ?1");
        self.0.query_optional(&sql, params![id], |row| Ok((user(row)?, row.get(9)?)))
    }

    /// All users, by name.
    ///
    /// # Errors
    /// A store error.
    pub fn users(&self) -> Result<Vec<User>, Error> {
        self.list_users("", "", u32::MAX)
    }

    /// The first `count` users whose folded name comes after `after` and begins with `beginning`, by name.
    ///
    /// # Errors
    /// A store error.
    pub fn list_users(&self, after: &str, beginning: &str, count: u32) -> Result<Vec<User>, Error> {
        let end = format!("{beginning}\u{10ffff}");
        let parameters = params![after, beginning, end, count];

        self.0.query(&format!("SELECT {USER} {LIST}"), parameters, user)
    }

    /// The first `count` users whose e-mail address begins with this text, in any case.
    ///
    /// # Errors
    /// A store error.
    pub fn users_by_mail(&self, beginning: &str, count: u32) -> Result<Vec<User>, Error> {
        let beginning = beginning.to_ascii_lowercase();
        let end = format!("{beginning}\u{10ffff}");
        let parameters = params![beginning, end, count];
        self.0.query(&format!("SELECT {USER} {BY_MAIL}"), parameters, user)
    }

    /// How many licenses the user owns, counted up to `most`.
    ///
    /// # Errors
    /// A store error.
    pub fn count_licenses_of(&self, user: i64, most: u32) -> Result<u32, Error> {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM licenses WHERE owner = ?1 LIMIT ?2) AS owned";
        self.0.query_row(sql, params![user, most], |row| row.get(0))
    }

    /// The numbers of all licenses that the user owns.
    ///
    /// # Errors
    /// A store error.
    pub fn licenses_of(&self, user: i64) -> Result<Vec<i64>, Error> {
        self.0.query("SELECT id FROM licenses WHERE owner = ?1 ORDER BY id", params![user], |row| row.get(0))
    }

    /// Whether an administrator other than this user can sign in.
    ///
    /// # Errors
    /// A store error.
    pub fn other_administrator_can_sign_in(&self, user: i64) -> Result<bool, Error> {
        self.0.query_row(OTHER_ADMINISTRATOR, params![user], |row| row.get(0))
    }
}

impl WriteTransaction<'_> {
    /// Inserts a user and returns its number. An empty hash is no password.
    ///
    /// # Errors
    /// [`Error::Taken`] if the name exists, or another store error.
    pub fn insert_user(&self, name: &str, password_hash: &str, administrator: bool) -> Result<i64, Error> {
        let sql =
            "INSERT INTO users (name, folded_name, password, administrator, created_at) VALUES (?1, ?2, ?3, ?4, ?5)";
        let folded_name = folded(name);
        let parameters = params![name, folded_name, password_hash, administrator, self.now().unix()];
        self.connection().insert(sql, parameters)
    }

    /// Stores what can change of a user, but for the password and the second factor.
    ///
    /// # Errors
    /// [`Error::Taken`] if another user has its name, or another store error.
    pub fn update_user(&self, user: &User) -> Result<(), Error> {
        let sql = "UPDATE users SET name = ?2, folded_name = ?3, display_name = ?4, mail = ?5, administrator = ?6,
            disabled_at = ?7 WHERE id = ?1";
        self.connection().execute(
            sql,
            params![
                user.id,
                user.name,
                folded(&user.name),
                user.display_name,
                user.mail,
                user.administrator,
                user.disabled_at.map(opterius_base::clock::Timestamp::unix),
            ],
        )?;
        Ok(())
    }

    /// Deletes a user with its sessions. The history is kept.
    ///
    /// # Errors
    /// The user still owns licenses, or another store error.
    pub fn delete_user(&self, user: i64) -> Result<(), Error> {
        self.connection().execute("DELETE FROM users WHERE id = ?1", params![user])?;
        Ok(())
    }

    /// Sets the password of a user, ends all sessions of the user, and voids the user's link to set one.
    ///
    /// # Errors
    /// A store error.
    pub fn set_password(&self, user: i64, password_hash: &str) -> Result<(), Error> {
        self.connection().execute("UPDATE users SET password = ?2 WHERE id = ?1", params![user, password_hash])?;
        self.delete_password_link(user)?;
        self.delete_sessions(user, None)?;
        Ok(())
    }

    /// Gives a license to another user.
    ///
    /// # Errors
    /// A store error.
    pub fn set_owner(&self, license: i64, owner: i64) -> Result<(), Error> {
        let sql = "UPDATE licenses SET owner = ?2, revision = revision + 1 WHERE id = ?1";
        self.connection().execute(sql, params![license, owner])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{Scratch, plan};
    use opterius_base::clock::Timestamp;

    #[test]
    fn every_query_of_users_uses_an_index() {
        let mut scratch = Scratch::in_file();
        let by_name = format!("SELECT {USER} FROM users WHERE folded_name = ?1");
        for sql in [
            by_name,
            format!("SELECT {USER} {LIST}"),
            format!("SELECT {USER} {BY_MAIL}"),
            OTHER_ADMINISTRATOR.to_owned(),
        ] {
            let plan = scratch.read(|transaction| plan(transaction, &sql));
            let scans = plan.lines().any(|line| line.starts_with("SCAN users") && !line.contains("USING INDEX"));
            assert!(!scans && !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
        }
    }

    #[test]
    fn a_name_is_found_and_taken_in_every_form() {
        let mut scratch = Scratch::new();
        let at = Timestamp::from_unix(0);
        let id = scratch.change(at, |transaction| transaction.insert_user("Jürgen", "hash", false));
        for name in ["jürgen", "JÜRGEN", " Ju\u{308}rgen ", "ｊürgen"] {
            let (user, _) = scratch.read(|transaction| transaction.user(name)).unwrap();
            assert_eq!((user.id, user.name.as_str()), (id, "Jürgen"));
            let again: Result<i64, Error> =
                scratch.try_change(at, |transaction| transaction.insert_user(name, "", false));
            assert_eq!(again, Err(Error::Taken), "{name}");
        }
        assert!(scratch.read(|transaction| transaction.user("jurgen")).is_none());
    }
}
