//! Checkpoints of the write-ahead log (WAL), on their own thread.
//!
//! SQLite's automatic checkpoint runs inside a commit, after every thousand pages: it writes pages all over a large file
//! while all other changes wait. Here commits continue during a checkpoint and add only a few pages. Only for the last of
//! these does the writer pause, because the log restarts only if a checkpoint leaves nothing in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use log::warn;
use rusqlite::{Connection, OpenFlags};
use rustix::process::setpriority_process;

use super::connection::connect;
use super::database::Database;
use super::error::Error;

/// Pages between two checkpoints, if a change writes one. It can write five, so the log reaches 30 to 150 MB. Larger
/// checkpoints write more neighboring pages: measured on one machine, 27 µs per page for a thousand pages and 10 µs for
/// sixteen thousand.
const INTERVAL: u64 = 8192;

/// The maximum number of pages that the writer checkpoints itself, which takes about a millisecond.
const WRITER_PAGES: i64 = 64;

/// Passes after which the writer checkpoints the rest, however much it is: a log without bound would be worse.
const MAX_PASSES: usize = 6;

/// The log size in pages at which SQLite checkpoints in a commit after all, if this thread falls behind: 256 MB.
const AUTOCHECKPOINT_PAGES: i64 = 65_536;

/// The maximum size of the log file after a restart of the log, in bytes.
const LOG_SIZE_LIMIT: i64 = 256 * 1024 * 1024;

/// The nice value of the thread: a quarter of the other threads' share of a busy processor. With less it would fall behind
/// the commits.
const NICE: i32 = 5;

/// The checkpoint thread.
pub struct Checkpointer {
    connection: Connection,
    due: Receiver<()>,
    finish: Arc<AtomicBool>,
}

/// The writer's handle, which triggers checkpoints.
pub(super) struct CheckpointTrigger {
    due: Sender<()>,
    finish: Arc<AtomicBool>,
    interval: u64,
    pages: u64,
}

/// Replaces SQLite's automatic checkpoints of this database by one after every `interval` pages. `None` if the database
/// is not in SQLite.
///
/// # Errors
/// A store error.
pub(super) fn channel(
    database: &Database,
    interval: Option<u64>,
) -> Result<Option<(CheckpointTrigger, Checkpointer)>, Error> {
    let (Some(path), Some(sqlite)) = (database.location().file(), database.connection.sqlite()) else {
        return Ok(None);
    };
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    sqlite.pragma_update(None, "wal_autocheckpoint", AUTOCHECKPOINT_PAGES)?;
    sqlite.pragma_update(None, "journal_size_limit", LOG_SIZE_LIMIT)?;
    // A second pending request would be redundant.
    let (sender, due) = bounded(1);
    let finish = Arc::new(AtomicBool::new(false));
    let interval = interval.unwrap_or(INTERVAL);
    let trigger = CheckpointTrigger { due: sender, finish: Arc::clone(&finish), interval, pages: 0 };
    Ok(Some((trigger, Checkpointer { connection, due, finish })))
}

impl CheckpointTrigger {
    /// Called after each commit of `pages` pages, once its requests are answered.
    pub(super) fn after_commit(&mut self, pages: u64, database: &Database) {
        if self.finish.swap(false, Ordering::Acquire)
            && let Some(sqlite) = database.connection.sqlite()
        {
            report(pass(sqlite));
        }
        self.pages = self.pages.saturating_add(pages);
        if self.pages >= self.interval {
            self.pages = 0;
            let _ = self.due.try_send(());
        }
    }
}

impl Checkpointer {
    /// Checkpoints on request until the writer is dropped.
    pub fn run(self) {
        // Linux: affects only this thread. On a machine with few processors it would otherwise delay commits.
        let _ = setpriority_process(None, NICE);
        while let Ok(()) = self.due.recv() {
            let mut before = 0;
            for _ in 0..MAX_PASSES {
                let Some(pages) = report(pass(&self.connection)) else { break };
                // These pages were added by commits during the previous pass.
                if pages.saturating_sub(before) <= WRITER_PAGES {
                    break;
                }
                before = pages;
            }
            self.finish.store(true, Ordering::Release);
        }
    }
}

/// Checkpoints without blocking commits; returns the number of pages in the log.
fn pass(connection: &Connection) -> Result<i64, Error> {
    Ok(connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))?)
}

fn report(pages: Result<i64, Error>) -> Option<i64> {
    match pages {
        Ok(pages) => Some(pages),
        Err(error) => {
            // Nothing is lost: the pages stay in the log until the next checkpoint.
            warn!("The write-ahead log could not be checkpointed: {error}");
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
    fn the_log_restarts_under_steady_changes() {
        let mut scratch = Scratch::in_file();
        let (mut trigger, checkpointer) = channel(scratch.database(), Some(10)).unwrap().unwrap();
        let thread = thread::spawn(move || checkpointer.run());
        // How often the log has restarted: bytes 12 to 15 of its header (sqlite.org/fileformat2.html, section 4.1).
        let restarts = |scratch: &mut Scratch| {
            let mut bytes = [0; 4];
            let path = scratch.database().location().file().unwrap().with_extension("db-wal");
            std::fs::File::open(path).unwrap().read_exact_at(&mut bytes, 12).unwrap();
            u32::from_be_bytes(bytes)
        };
        let first = restarts(&mut scratch);
        let has_restarted = (0..20_000).any(|number| {
            scratch
                .change(Timestamp::from_unix(0), |transaction| transaction.put_setting("number", &number.to_string()));
            trigger.after_commit(1, scratch.database());
            restarts(&mut scratch) > first
        });
        assert!(has_restarted);
        drop(trigger);
        thread.join().unwrap();
    }
}
