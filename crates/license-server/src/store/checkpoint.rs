//! Checkpoints: what commits have written to the log goes into the database file, on a thread of its own.
//!
//! SQLite's own checkpoint is part of every thousandth page's commit: each page goes to another place of a large file, and
//! everybody whose change comes meanwhile waits for all of them. Here commits go on; the pages that they add are few, and
//! only for the last of those does the writer stand still, because the log begins anew only where nothing is left of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use log::warn;
use rusqlite::{Connection, OpenFlags};
use rustix::process::setpriority_process;

use super::connection::connect;
use super::database::Database;
use super::error::Error;

/// Changes between two checkpoints. A change writes one to four pages, so the log has some 30 to 150 MB at most; the more
/// pages go at once, the more of them are neighbours: on the machine this was measured on, a page costs 27 µs when a
/// thousand go at once and 10 µs when sixteen thousand do.
const DUE: u64 = 8192;

/// Pages that are few enough for the writer: it stands still for a millisecond or so.
const FEW: i64 = 64;

/// Passes after which the writer does the rest, however much it is: a log that grows for ever is worse.
const PASSES: usize = 6;

/// Pages at which SQLite does it as it always would, were this thread not to come to it: 256 MB.
const LAST_RESORT: i64 = 65_536;

/// The largest file that stays when a log has begun anew, in bytes.
const KEPT: i64 = 256 * 1024 * 1024;

/// The thread's priority: a quarter of the others' share of a busy processor. With less it would not keep up with commits.
const NICE: i32 = 5;

/// The thread's end.
pub struct Checkpointer {
    connection: Connection,
    due: Receiver<()>,
    rest: Arc<AtomicBool>,
}

/// The writer's end.
pub(super) struct Log {
    due: Sender<()>,
    rest: Arc<AtomicBool>,
    every: u64,
    changes: u64,
}

/// Takes the checkpoints of this database's writer over from SQLite, one after so many changes.
///
/// # Errors
/// The store's own.
pub(super) fn take_over(database: &Database, every: Option<u64>) -> Result<(Log, Checkpointer), Error> {
    let connection = connect(database.path(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    database.connection.pragma_update(None, "wal_autocheckpoint", LAST_RESORT)?;
    database.connection.pragma_update(None, "journal_size_limit", KEPT)?;
    // One that waits is enough.
    let (sender, due) = bounded(1);
    let rest = Arc::new(AtomicBool::new(false));
    let log = Log { due: sender, rest: Arc::clone(&rest), every: every.unwrap_or(DUE), changes: 0 };
    Ok((log, Checkpointer { connection, due, rest }))
}

impl Log {
    /// To be called after each commit, of so many changes, when nobody waits for it any more.
    pub(super) fn note_growth(&mut self, changes: u64, database: &Database) {
        if self.rest.swap(false, Ordering::Acquire) {
            report(pass(&database.connection));
        }
        self.changes = self.changes.saturating_add(changes);
        if self.changes >= self.every {
            self.changes = 0;
            let _ = self.due.try_send(());
        }
    }
}

impl Checkpointer {
    /// Checkpoints whenever it is due, until the writer is gone.
    pub fn run(self) {
        // Of this thread alone (Linux). It may take its time: where processors are few, it would keep those waiting who
        // wait for a commit.
        let _ = setpriority_process(None, NICE);
        while let Ok(()) = self.due.recv() {
            let mut before = 0;
            for _ in 0..PASSES {
                let Some(pages) = report(pass(&self.connection)) else { break };
                // What this pass has found is what commits have added during the one before.
                if pages.saturating_sub(before) <= FEW {
                    break;
                }
                before = pages;
            }
            self.rest.store(true, Ordering::Release);
        }
    }
}

/// Moves what it finds in the log, without keeping anybody waiting; how many pages the log has.
fn pass(connection: &Connection) -> Result<i64, Error> {
    Ok(connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))?)
}

fn report(pages: Result<i64, Error>) -> Option<i64> {
    match pages {
        Ok(pages) => Some(pages),
        Err(error) => {
            // Nothing is lost: the log holds it, and the next one tries again.
            warn!("The database's log could not be checkpointed: {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;
    use std::thread;

    use super::*;
    use crate::store::tests::Scratch;
    use opterius_base::clock::Timestamp;

    #[test]
    fn under_steady_changes_the_log_begins_anew() {
        let mut scratch = Scratch::new();
        let (mut log, checkpointer) = take_over(scratch.database(), Some(10)).unwrap();
        let thread = thread::spawn(move || checkpointer.run());
        // How often the log has begun anew: bytes 12 to 15 of its head (sqlite.org/fileformat2.html, section 4.1).
        let begun = |scratch: &mut Scratch| {
            let mut bytes = [0; 4];
            let path = scratch.database().path().with_extension("db-wal");
            std::fs::File::open(path).unwrap().read_exact_at(&mut bytes, 12).unwrap();
            u32::from_be_bytes(bytes)
        };
        let first = begun(&mut scratch);
        let is_anew = (0..20_000).any(|number| {
            scratch.change(Timestamp::from_unix(0), |changes| changes.put_setting("number", &number.to_string()));
            log.note_growth(1, scratch.database());
            begun(&mut scratch) > first
        });
        assert!(is_anew);
        drop(log);
        thread.join().unwrap();
    }
}
