//! Whether the database is as the server left it, so that a start can do without reading all of it.
//!
//! The server that ends cleanly writes down what the file looks like. Whatever writes to the file afterwards, or replaces
//! it, changes the time of its last change (ctime), which no program can set.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::foreign_log::has_log;
use crate::ownership::open_private;

/// Writes down what the database looks like, whose log is empty.
///
/// # Errors
/// A system call failed. Then the next start reads the whole database.
pub fn remember(path: &Path) -> io::Result<()> {
    let mut file = open_private(&note(path))?;
    file.set_len(0)?;
    file.write_all(look(path)?.as_bytes())?;
    file.sync_all()
}

/// Whether the database is as [`remember`] found it, and has no log.
pub fn is_as_left(path: &Path) -> bool {
    let left = fs::read_to_string(note(path));
    !has_log(path) && left.is_ok_and(|left| look(path).is_ok_and(|look| look == left))
}

/// The file with the note.
fn note(path: &Path) -> PathBuf {
    path.with_extension("left")
}

fn look(path: &Path) -> io::Result<String> {
    let file = fs::metadata(path)?;
    Ok(format!("{} {} {} {}.{:09}\n", file.dev(), file.ino(), file.size(), file.ctime(), file.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::Scratch;
    use crate::store::{Database, checkpoint_on_exit};
    use opterius_base::clock::Timestamp;

    #[test]
    fn a_database_that_was_touched_is_not_as_it_was_left() {
        let mut scratch = Scratch::in_file();
        let path = scratch.database().location().file().unwrap().to_owned();
        assert!(!is_as_left(&path), "there is no note");
        let mut change = |value: &str| {
            scratch.change(Timestamp::from_unix(0), |transaction| transaction.put_setting("name", value));
        };
        change("before");
        checkpoint_on_exit(&path).unwrap();
        remember(&path).unwrap();
        assert!(is_as_left(&path));
        drop(Database::open_file(&path).unwrap());
        assert!(is_as_left(&path), "opening it changes nothing");
        change("after");
        assert!(!is_as_left(&path), "it has a log");
        checkpoint_on_exit(&path).unwrap();
        assert!(!is_as_left(&path), "it was written to");
        remember(&path).unwrap();
        assert!(is_as_left(&path));
        // As `cp --preserve` does: the same file with the same size and time, and other bytes.
        let (bytes, modified) = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap());
        fs::write(&path, bytes).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert!(!is_as_left(&path), "it was written to");
        fs::write(note(&path), "\n").unwrap();
        assert!(!is_as_left(&path));
    }
}
