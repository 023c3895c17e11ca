//! Tokens of the vendor API, and the answers that are kept for repeated calls.

use std::time::Duration;

use super::engine::{Queries, Row, params};
use super::error::Error;
use super::transactions::{ReadTransaction, WriteTransaction};
use super::values::{at, at_if_any};
use crate::model::{Actor, ApiToken, Scope};
use crate::network::Network;
use opterius_base::clock::Timestamp;

/// How long the answer to a call with an Idempotency-Key is kept.
const ANSWER_TIME: Duration = Duration::from_secs(86_400);

/// The most answers that are deleted for each new one.
const DELETED_ANSWERS: u32 = 100;

/// A token to insert.
pub struct NewApiToken<'a> {
    /// The name.
    pub name: &'a str,
    /// The hash of its secret, in hexadecimal.
    pub secret_sha256: &'a str,
    /// What its holder may do.
    pub scopes: &'a [Scope],
    /// Where it is valid; everywhere if empty.
    pub networks: &'a [Network],
    /// The instant at which it ends; `None` means never.
    pub expires_at: Option<Timestamp>,
    /// Who adds it.
    pub creator: &'a Actor,
}

/// The answer to a call, kept for its repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The hash of the request, in hexadecimal.
    pub request_sha256: String,
    /// The HTTP status.
    pub status: u16,
    /// The JSON body.
    pub body: String,
}

/// The request that created a license.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Creation {
    /// The number of the token.
    pub token: i64,
    /// The hash of the request, in hexadecimal.
    pub request_sha256: String,
    /// When.
    pub at: Timestamp,
}

const DELETE_OLD_ANSWERS: &str = "DELETE FROM api_answers WHERE (token, key) IN (
    SELECT token, key FROM api_answers WHERE at <= ?1 ORDER BY at LIMIT ?2)";

const TOKEN: &str = "SELECT id, name, scopes, networks, created_at, expires_at, last_used_at, revoked_at, creator_role,
    creator, secret_sha256 FROM api_tokens";

fn token(row: &Row<'_>) -> Result<ApiToken, Error> {
    let (scopes, networks): (String, String) = (row.get(2)?, row.get(3)?);
    Ok(ApiToken {
        id: row.get(0)?,
        name: row.get(1)?,
        scopes: Scope::ALL
            .iter()
            .copied()
            .filter(|scope| scopes.split(' ').any(|word| word == scope.as_str()))
            .collect(),
        networks: networks.split_whitespace().flat_map(str::parse).collect(),
        created_at: at(row, 4)?,
        expires_at: at_if_any(row, 5)?,
        last_used_at: at_if_any(row, 6)?,
        revoked_at: at_if_any(row, 7)?,
        creator: Actor { role: row.get(8)?, name: row.get(9)? },
    })
}

impl ReadTransaction<'_> {
    /// The token with this number, and the hash of its secret.
    ///
    /// # Errors
    /// A store error.
    pub fn api_token(&self, id: i64) -> Result<Option<(ApiToken, String)>, Error> {
        self.0.query_optional(&format!("{TOKEN} WHERE id = ?1"), params![id], |row| Ok((token(row)?, row.get(10)?)))
    }

    /// The token with this name that is not revoked.
    ///
    /// # Errors
    /// A store error.
    pub fn api_token_by_name(&self, name: &str) -> Result<Option<ApiToken>, Error> {
        self.0.query_optional(&format!("{TOKEN} WHERE name = ?1 AND revoked_at IS NULL"), params![name], token)
    }

    /// All tokens, oldest first, with or without revoked ones.
    ///
    /// # Errors
    /// A store error.
    pub fn api_tokens(&self, with_revoked: bool) -> Result<Vec<ApiToken>, Error> {
        let condition = if with_revoked { "" } else { "WHERE revoked_at IS NULL" };
        self.0.query(&format!("{TOKEN} {condition} ORDER BY id"), &[], token)
    }

    /// The answer that is kept for a repetition of the call with this key.
    ///
    /// # Errors
    /// A store error.
    pub fn kept_answer(&self, token: i64, key: &str, now: Timestamp) -> Result<Option<KeptAnswer>, Error> {
        let sql = "SELECT request_sha256, status, body FROM api_answers WHERE token = ?1 AND key = ?2 AND at > ?3";
        let kept =
            |row: &Row<'_>| Ok(KeptAnswer { request_sha256: row.get(0)?, status: row.get(1)?, body: row.get(2)? });
        let parameters = params![token, key, now.minus(ANSWER_TIME).unix()];
        self.0.query_optional(sql, parameters, kept)
    }

    /// The request that created the license, if it came through the vendor API.
    ///
    /// # Errors
    /// A store error.
    pub fn creation(&self, license: i64) -> Result<Option<Creation>, Error> {
        let sql = "SELECT token, request_sha256, at FROM api_creations WHERE license = ?1";
        let creation =
            |row: &Row<'_>| Ok(Creation { token: row.get(0)?, request_sha256: row.get(1)?, at: at(row, 2)? });
        self.0.query_optional(sql, params![license], creation)
    }
}

impl WriteTransaction<'_> {
    /// Inserts a token and returns its number.
    ///
    /// # Errors
    /// [`Error::Taken`] if another token that is not revoked has the name, or another store error.
    pub fn insert_api_token(&self, new: &NewApiToken<'_>) -> Result<i64, Error> {
        let words = |words: Vec<String>| words.join(" ");
        let sql = "INSERT INTO api_tokens (name, secret_sha256, scopes, networks, created_at, expires_at, creator_role,
            creator) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        self.connection().insert(
            sql,
            params![
                new.name,
                new.secret_sha256,
                words(new.scopes.iter().map(|scope| scope.as_str().to_owned()).collect()),
                words(new.networks.iter().map(ToString::to_string).collect()),
                self.now().unix(),
                new.expires_at.map(Timestamp::unix),
                new.creator.role.as_str(),
                new.creator.name,
            ],
        )
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// A store error.
    pub fn revoke_api_token(&self, id: i64) -> Result<(), Error> {
        let sql = "UPDATE api_tokens SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL";
        self.connection().execute(sql, params![id, self.now().unix()])?;
        Ok(())
    }

    /// Records a use of the token.
    ///
    /// # Errors
    /// A store error.
    pub fn touch_api_token(&self, id: i64) -> Result<(), Error> {
        let sql = "UPDATE api_tokens SET last_used_at = ?2 WHERE id = ?1";
        self.connection().execute(sql, params![id, self.now().unix()])?;
        Ok(())
    }

    /// Keeps the answer to a call for its repetition, and deletes some of those that are too old.
    ///
    /// # Errors
    /// A store error.
    pub fn keep_answer(&self, token: i64, key: &str, kept: &KeptAnswer) -> Result<(), Error> {
        self.delete_old_answers()?;
        let sql =
            "INSERT INTO api_answers (token, key, request_sha256, status, body, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            ON CONFLICT (token, key) DO UPDATE SET request_sha256 = ?3, status = ?4, body = ?5, at = ?6";
        let parameters = params![token, key, kept.request_sha256, kept.status, kept.body, self.now().unix()];
        self.connection().execute(sql, parameters)?;
        Ok(())
    }

    /// Deletes some of the answers that are too old; returns whether there may be more.
    ///
    /// # Errors
    /// A store error.
    pub fn delete_old_answers(&self) -> Result<bool, Error> {
        let parameters = params![self.now().minus(ANSWER_TIME).unix(), DELETED_ANSWERS];
        let deleted = self.connection().execute(DELETE_OLD_ANSWERS, parameters)?;
        Ok(u32::try_from(deleted).is_ok_and(|deleted| deleted >= DELETED_ANSWERS))
    }

    /// Records the request that created a license.
    ///
    /// # Errors
    /// A store error.
    pub fn put_creation(&self, license: i64, token: i64, request_sha256: &str) -> Result<(), Error> {
        let sql = "INSERT INTO api_creations (license, token, request_sha256, at) VALUES (?1, ?2, ?3, ?4)";
        let parameters = params![license, token, request_sha256, self.now().unix()];
        self.connection().execute(sql, parameters)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Role;
    use crate::store::tests::{Scratch, plan};

    #[test]
    fn queries_of_tokens_and_answers_use_an_index() {
        let mut scratch = Scratch::in_file();
        let by_name = format!("{TOKEN} WHERE name = ?1 AND revoked_at IS NULL");
        let statements = [DELETE_OLD_ANSWERS, &by_name, "SELECT id FROM licenses WHERE reference = ?1"];
        for sql in statements {
            let plan = scratch.read(|transaction| plan(transaction, sql));
            assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
        }
    }

    #[test]
    fn answers_are_kept_for_a_day_and_old_ones_are_deleted() {
        let mut scratch = Scratch::new();
        let at = Timestamp::from_unix;
        let scopes = [Scope::LicensesRead];
        let creator = Actor { role: Role::Operator, name: "root".to_owned() };
        let new = NewApiToken {
            name: "shop",
            secret_sha256: "",
            scopes: &scopes,
            networks: &[],
            expires_at: None,
            creator: &creator,
        };
        let kept = KeptAnswer { request_sha256: "a".to_owned(), status: 201, body: "{}".to_owned() };
        let token = scratch.change(at(0), |transaction| {
            let token = transaction.insert_api_token(&new)?;
            transaction.keep_answer(token, "k", &kept)?;
            Ok::<_, Error>(token)
        });
        let mut found = |now| scratch.read(|transaction| transaction.kept_answer(token, "k", at(now)));
        assert_eq!((found(86_399), found(86_400)), (Some(kept.clone()), None));
        let rows: i64 = scratch.change(at(200_000), |transaction| {
            transaction.keep_answer(token, "other", &kept)?;
            transaction.connection().query_row("SELECT count(*) FROM api_answers", &[], |row| row.get(0))
        });
        assert_eq!(rows, 1);
        scratch.change(at(500_000), |transaction| {
            assert!(!transaction.delete_old_answers()?);
            let rows: i64 =
                transaction.connection().query_row("SELECT count(*) FROM api_answers", &[], |row| row.get(0))?;
            assert_eq!(rows, 0, "without another call");
            Ok::<_, Error>(())
        });
    }
}
