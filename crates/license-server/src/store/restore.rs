//! What a restore needs of the store: a checked copy of a backup, and numbers that are never given out twice.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::params;

use super::connection::{inspect, open_read_only};
use super::error::Error;
use super::maintenance::copy;
use super::transactions::{ReadTransaction, WriteTransaction};
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

/// The highest number that each table has given out.
///
/// # Errors
/// The database cannot be read.
pub fn highest_numbers(path: &Path) -> Result<BTreeMap<String, i64>, Error> {
    ReadTransaction(&open_read_only(path)?).highest_numbers()
}

impl ReadTransaction<'_> {
    /// The highest number that each table has given out.
    ///
    /// # Errors
    /// A store error.
    pub fn highest_numbers(&self) -> Result<BTreeMap<String, i64>, Error> {
        let mut statement = self.0.prepare("SELECT name, seq FROM sqlite_sequence")?;
        let found: rusqlite::Result<_> = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect();
        Ok(found?)
    }

    /// Until when nothing is decided about unknown keys, if a backup was restored.
    ///
    /// # Errors
    /// A store error.
    pub fn unknown_keys_undecided_until(&self) -> Result<Option<Timestamp>, Error> {
        let until = self.setting(UNDECIDED_UNTIL)?.and_then(|seconds| seconds.parse().ok());
        Ok(until.map(Timestamp::from_unix))
    }

    /// How many licenses there are.
    ///
    /// # Errors
    /// A store error.
    pub fn count_licenses(&self) -> Result<u32, Error> {
        Ok(self.0.query_row("SELECT count(*) FROM licenses", [], |row| row.get(0))?)
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
        self.connection().execute("DELETE FROM sessions", [])?;
        self.connection().execute("DELETE FROM password_links", [])?;
        Ok(())
    }
}
