//! The undo journal of a transaction: how to undo each step, written and flushed before the step takes effect.
//!
//! One line for each step. A truncated last line belongs to a step that was never started. A line says only what this
//! transaction makes, and how to recognize it: what does not match was made by others and is left alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::transaction::content::Content;
use crate::transaction::identity::Identity;
use opterius_host::host::Host;
use opterius_host::layout::JOURNAL;
use opterius_host::request::values::Username;

/// How to undo one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub(super) enum UndoStep {
    /// A user is about to be created.
    User {
        /// The new user.
        username: Username,
        /// Its uid; none in a journal of an earlier version.
        #[serde(default)]
        uid: Option<u32>,
    },
    /// The user exists and is the one that this transaction created.
    UserMade {
        /// The user.
        username: Username,
        /// Its uid.
        uid: u32,
    },
    /// A directory is about to be made under a name that nothing else has.
    Temporary {
        /// That name.
        path: PathBuf,
    },
    /// A directory was made, and is about to get its own name.
    Made {
        /// Its own name.
        path: PathBuf,
        /// What identifies it.
        identity: Identity,
    },
    /// Earlier versions: a directory is about to be made, in a directory that only root can write to.
    Directory {
        /// The new directory.
        path: PathBuf,
    },
    /// A file or link is about to be written or deleted.
    File {
        /// Its path.
        path: PathBuf,
        /// What to restore.
        before: Content,
        /// A digest of what is written; none in a journal of an earlier version.
        #[serde(default)]
        after: Option<String>,
        /// The name under which it is written first.
        #[serde(default)]
        temporary: Option<PathBuf>,
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
        let file = |path: &str, before: Content| UndoStep::File {
            path: path.into(),
            before,
            after: Some("missing".to_owned()),
            temporary: Some("/t".into()),
        };
        let steps = [
            UndoStep::User { username: username.clone(), uid: Some(1000) },
            UndoStep::UserMade { username, uid: 1000 },
            UndoStep::Temporary { path: "/home/.t".into() },
            UndoStep::Made { path: "/home/alice".into(), identity: Identity::of(Path::new("/")).unwrap() },
            file("/a", Content::Link { target: "/b".into() }),
            file("/c", Content::Missing),
        ];
        let text: String = steps.iter().map(|step| serde_json::to_string(step).unwrap() + "\n").collect();
        assert_eq!(parse(&text).unwrap(), steps);
        assert_eq!(parse(&text[..text.len() - 1]).unwrap(), steps[..5]);
        assert_eq!(parse(&text[..text.len() - 9]).unwrap(), steps[..5]);
        assert_eq!(parse("").unwrap(), []);
        assert!(parse("{}\n").is_err() && parse("x\n{\n").is_err());
    }

    #[test]
    fn the_journal_of_an_earlier_version_is_read() {
        let text = "{\"step\":\"user\",\"username\":\"alice\"}\n\
                    {\"step\":\"directory\",\"path\":\"/home/alice\"}\n\
                    {\"step\":\"file\",\"path\":\"/a\",\"before\":\"missing\"}\n\
                    {\"step\":\"file\",\"path\":\"/b\",\"before\":{\"file\":{\"base64\":\"eA==\",\"mode\":420,\"group\":0}}}\n\
                    {\"step\":\"file\",\"path\":\"/c\",\"before\":{\"link\":{\"target\":\"/d\"}}}\n";
        let username = Username::parse("username", "alice").unwrap();
        let file =
            |path: &str, before: Content| UndoStep::File { path: path.into(), before, after: None, temporary: None };
        let expected = [
            UndoStep::User { username, uid: None },
            UndoStep::Directory { path: "/home/alice".into() },
            file("/a", Content::Missing),
            file("/b", Content::File { base64: "eA==".to_owned(), mode: 420, group: 0 }),
            file("/c", Content::Link { target: "/d".into() }),
        ];
        assert_eq!(parse(text).unwrap(), expected);
    }
}
