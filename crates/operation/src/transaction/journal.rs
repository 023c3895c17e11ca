//! The journal of a change: how each step is taken back, written and flushed before the step is made.
//!
//! One line for each step. A last line that is cut off is of a step that was never begun.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use opterius_host::host::Host;
use opterius_host::request::values::Username;

const PATH: &str = "/var/lib/opterius/unfinished.json";

/// How one step is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub(super) enum UndoStep {
    /// A user is made who was not there.
    User {
        /// Who.
        username: Username,
    },
    /// A directory is made that was not there, in a directory that only root can write to.
    Directory {
        /// Which.
        path: PathBuf,
    },
    /// A file or link is written or deleted.
    File {
        /// Which.
        path: PathBuf,
        /// What was there.
        before: Before,
    },
}

/// What was there before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Before {
    /// Nothing.
    Missing,
    /// A file.
    File {
        /// Its bytes.
        base64: String,
        /// Its mode.
        mode: u32,
        /// Its group.
        group: u32,
    },
    /// A link.
    Link {
        /// Where it led.
        target: PathBuf,
    },
}

/// The journal of one change.
pub(super) struct Journal {
    path: PathBuf,
    file: Option<File>,
}

impl Journal {
    /// The journal of a host; it is a file from the first step on.
    pub(super) fn of(host: &Host) -> Self {
        Self { path: host.path(PATH), file: None }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a step; when this returns, a power cut does not lose it.
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

    /// The steps of a change that did not come to its end.
    pub(super) fn read(&self) -> io::Result<Vec<UndoStep>> {
        match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            text => parse(&text?),
        }
    }

    /// What is done stays done.
    pub(super) fn forget(&mut self) -> io::Result<()> {
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
    fn whole_lines_count_and_the_last_may_be_cut_off() {
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
