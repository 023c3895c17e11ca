//! The undo journal of a transaction: how to undo each step, written and flushed before the step is made.
//!
//! One line for each step. A truncated last line belongs to a step that was never started.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use opterius_host::host::Host;
use opterius_host::layout::JOURNAL;
use opterius_host::request::values::Username;

/// How to undo one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub(super) enum UndoStep {
    /// A user is created.
    User {
        /// The new user.
        username: Username,
    },
    /// A directory is created, in a directory that only root can write to.
    Directory {
        /// The new directory.
        path: PathBuf,
    },
    /// A file or link is written or deleted.
    File {
        /// Its path.
        path: PathBuf,
        /// What to restore.
        before: Before,
    },
}

/// The previous content of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Before {
    /// Nothing existed.
    Missing,
    /// A file.
    File {
        /// Its content.
        base64: String,
        /// Its mode.
        mode: u32,
        /// Its gid.
        group: u32,
    },
    /// A link.
    Link {
        /// Its target.
        target: PathBuf,
    },
}

/// The journal of one transaction.
pub(super) struct Journal {
    path: PathBuf,
    file: Option<File>,
}

impl Journal {
    /// An empty journal. The file is created with the first step.
    pub(super) fn new(host: &Host) -> Self {
        Self { path: host.path(JOURNAL), file: None }
    }

    /// The journal's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a step. Once this returns, a power failure does not lose it.
    pub(super) fn add(&mut self, step: &UndoStep) -> io::Result<()> {
        let mut line = serde_json::to_vec(step)?;
        line.push(b'\n');
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
                sync_directory(&self.path)?;
                file
            }
        };
        let file = self.file.insert(file);
        file.write_all(&line)?;
        file.sync_data()
    }

    /// The steps of an interrupted transaction.
    pub(super) fn read(&self) -> io::Result<Vec<UndoStep>> {
        match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            text => parse(&text?),
        }
    }

    /// Deletes the journal, which makes all steps permanent.
    pub(super) fn delete(&mut self) -> io::Result<()> {
        self.file = None;
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.and_then(|()| sync_directory(&self.path)),
        }
    }
}

fn parse(text: &str) -> io::Result<Vec<UndoStep>> {
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).map_err(Into::into)).collect()
}

fn sync_directory(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_last_line_is_ignored() {
        let username = Username::parse("username", "alice").unwrap();
        let steps = [
            UndoStep::User { username },
            UndoStep::Directory { path: "/home/alice".into() },
            UndoStep::File { path: "/a".into(), before: Before::Link { target: "/b".into() } },
            UndoStep::File { path: "/c".into(), before: Before::Missing },
        ];
        let text: String = steps.iter().map(|step| serde_json::to_string(step).unwrap() + "\n").collect();
        assert_eq!(parse(&text).unwrap(), steps);
        assert_eq!(parse(&text[..text.len() - 1]).unwrap(), steps[..3]);
        assert_eq!(parse(&text[..text.len() - 9]).unwrap(), steps[..3]);
        assert_eq!(parse("").unwrap(), []);
        assert!(parse("{}\n").is_err() && parse("x\n{\n").is_err());
    }
}
