//! What a restore needs of the store: a checked copy of a backup, numbers that are never given out twice, and what was used up
//! after the backup.

use std::collections::BTreeMap;
use std::path::Path;

use super::connection::{inspect, open_read_only};
use super::engine::{Connection, Queries, params};
use super::error::Error;
use super::maintenance::copy;
use super::transactions::{ReadTransaction, WriteTransaction};
use crate::model::DeliveryState;
use crate::ownership::create_private;
use opterius_base::clock::Timestamp;

/// The setting of [`ReadTransaction::unknown_keys_undecided_until`], in seconds since 1970.
const UNDECIDED_UNTIL: &str = "unknown_keys_undecided_until";

/// Writes a checked copy of a backup to a new file. A log beside the backup is part of it.
///
/// # Errors
/// The backup is missing, damaged, another application's or of a newer version; or the copy cannot be written.
pub fn copy_backup(backup: &Path, target: &Path) -> Result<(), Error> {
    inspect(backup)?;
    create_private(target).map_err(|error| Error::Failed(format!("{}: {error}", target.display())))?;
    copy(backup, target)
}

/// The database that a backup replaces.
pub struct ReplacedDatabase(Connection);

impl ReplacedDatabase {
    /// Opens the database.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self(Connection::Sqlite(open_read_only(path)?)))
    }

    /// What it contains.
    pub fn read(&self) -> ReadTransaction<'_> {
        ReadTransaction::new(&self.0)
    }
}

impl ReadTransaction<'_> {
    /// The highest number that each table has given out.
    ///
    /// # Errors
    /// A store error.
    pub fn highest_numbers(&self) -> Result<BTreeMap<String, i64>, Error> {
        Ok(self
            .0
            .query("SELECT name, seq FROM sqlite_sequence", &[], |row| Ok((row.get(0)?, row.get(1)?)))?
            .into_iter()
            .collect())
    }

    /// Until when nothing is decided about unknown keys, if a backup was restored.
    ///
    /// # Errors
    /// A store error.
    pub fn unknown_keys_undecided_until(&self) -> Result<Option<Timestamp>, Error> {
        let until = self.setting(UNDECIDED_UNTIL)?.and_then(|seconds| seconds.parse().ok());
        Ok(until.map(Timestamp::from_unix))
    }

    /// The unused recovery codes of all users, by their hashes.
    fn recovery_codes(&self) -> Result<Vec<(i64, String)>, Error> {
        self.0.query("SELECT user_id, code_sha256 FROM recovery_codes", &[], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// The pending deliveries: webhook, event, and the id of the event.
    fn pending_deliveries(&self) -> Result<Vec<(i64, i64, String)>, Error> {
        let sql = "SELECT webhook, event, name FROM webhook_deliveries JOIN webhook_events ON webhook_events.id = event
            WHERE state = 'pending'";
        self.0.query(sql, &[], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
    }

    /// The last notices of expiries: license, expiry and days before it.
    fn expiry_notices(&self) -> Result<Vec<(i64, i64, u32)>, Error> {
        self.0.query("SELECT license, expires_at, days FROM expiry_notices", &[], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
    }

    /// How many licenses there are.
    ///
    /// # Errors
    /// A store error.
    pub fn count_licenses(&self) -> Result<u32, Error> {
        self.0.query_row("SELECT count(*) FROM licenses", &[], |row| row.get(0))
    }
}

impl WriteTransaction<'_> {
    /// Lets the numbers of a table go on above this one.
    ///
    /// # Errors
    /// A store error.
    pub fn continue_numbers_after(&self, table: &str, number: i64) -> Result<(), Error> {
        let known = "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1";
        if self.connection().execute(known, params![table, number])? == 0 {
            self.connection()
                .execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)", params![table, number])?;
        }
        Ok(())
    }

    /// Lets the server decide nothing about unknown keys until this time.
    ///
    /// # Errors
    /// A store error.
    pub fn set_unknown_keys_undecided_until(&self, until: Timestamp) -> Result<(), Error> {
        self.put_setting(UNDECIDED_UNTIL, &until.unix().to_string())
    }

    /// Ends the sessions of all users, and the links with which they set a password: one may have been used since.
    ///
    /// # Errors
    /// A store error.
    pub fn end_all_sessions(&self) -> Result<(), Error> {
        self.connection().execute("DELETE FROM sessions", &[])?;
        self.connection().execute("DELETE FROM password_links", &[])?;
        Ok(())
    }

    /// Uses up the recovery codes that the replaced database no longer has, and all of them if it cannot be read. Returns how
    /// many.
    ///
    /// # Errors
    /// A store error.
    pub fn use_up_recovery_codes(&self, replaced: Option<&ReadTransaction<'_>>) -> Result<u32, Error> {
        let mut count: u32 = 0;
        for (user, hash) in self.recovery_codes()? {
            if !replaced.is_some_and(|replaced| replaced.has_recovery_code(user, &hash).unwrap_or(false)) {
                count = count.saturating_add(u32::from(self.use_recovery_code(user, &hash)?));
            }
        }
        Ok(count)
    }

    /// Uses up the codes of all second factors up to this time step.
    ///
    /// # Errors
    /// A store error.
    pub fn use_all_steps_up_to(&self, step: i64) -> Result<(), Error> {
        let sql =
            "UPDATE users SET second_factor_step = ?1 WHERE second_factor IS NOT NULL AND second_factor_step < ?1";
        self.connection().execute(sql, params![step])?;
        Ok(())
    }

    /// Keeps what the replaced database has announced about expiries that are still the same.
    ///
    /// # Errors
    /// A store error.
    pub fn keep_expiry_notices(&self, replaced: &ReadTransaction<'_>) -> Result<(), Error> {
        // An older database has announced nothing.
        for (license, expires_at, days) in replaced.expiry_notices().unwrap_or_default() {
            let sql = "INSERT INTO expiry_notices (license, expires_at, days)
                SELECT id, expires_at, ?3 FROM licenses WHERE id = ?1 AND expires_at = ?2
                ON CONFLICT (license) DO UPDATE SET expires_at = ?2, days = ?3";
            self.connection().execute(sql, params![license, expires_at, days])?;
        }
        Ok(())
    }

    /// Ends the pending deliveries as they ended in the replaced database. Those that it does not know are given up, because
    /// they may have been delivered: returns how many.
    ///
    /// # Errors
    /// A store error.
    pub fn end_deliveries(&self, replaced: Option<&ReadTransaction<'_>>) -> Result<u32, Error> {
        let mut unknown: u32 = 0;
        for (webhook, event, name) in self.pending_deliveries()? {
            let ended = replaced.and_then(|replaced| replaced.delivery(webhook, &name).ok().flatten());
            let (state, tried_at, status, answer) = match &ended {
                Some(delivery) if delivery.state == DeliveryState::Pending => continue,
                Some(delivery) => (delivery.state, delivery.tried_at, delivery.status, delivery.answer.as_str()),
                None => {
                    unknown = unknown.saturating_add(1);
                    (DeliveryState::GivenUp, None, None, "The database was restored: it may have been delivered.")
                }
            };
            let sql =
                "UPDATE webhook_deliveries SET state = ?3, tried_at = coalesce(?4, tried_at), status = ?5, answer = ?6
                WHERE webhook = ?1 AND event = ?2";
            let tried_at = tried_at.map(Timestamp::unix);
            self.connection().execute(sql, params![webhook, event, state.as_str(), tried_at, status, answer])?;
            let sql = "UPDATE webhooks SET pending = pending - 1 WHERE id = ?1";
            self.connection().execute(sql, params![webhook])?;
        }
        Ok(unknown)
    }
}
