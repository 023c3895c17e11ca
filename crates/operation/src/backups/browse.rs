//! Looking into a backup without unpacking it.

use std::collections::BTreeMap;
use std::io::BufReader;

use crate::backups::contents::{BUFFER, HOME};
use crate::backups::directory::BackupDirectory;
use crate::files::archive::converter;
use crate::files::archive::entry_path::EntryPath;
use crate::files::archive::tar::{Kind, TarReader};
use opterius_base::deadline::Deadline;
use opterius_host::problem::Problem;
use opterius_host::request::backup::BackupName;
use opterius_host::request::home_path::HomePath;

/// The most entries of an answer.
pub const MAX_LISTED: usize = 5000;

/// What is in a directory of a backup.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Of each name, whether it is a directory, and the size of a file.
    pub entries: BTreeMap<Vec<u8>, (bool, u64)>,
    /// Whether there are more.
    pub truncated: bool,
}

/// Lists a directory of the home in a backup.
///
/// # Errors
/// There is no such backup or directory, it is damaged, or reading it takes too long.
pub fn list(
    directory: &BackupDirectory,
    name: &BackupName,
    path: &HomePath,
    deadline: Deadline,
) -> Result<Listing, Problem> {
    directory.find(name)?;
    let archive = directory.archive(name);
    let archive = std::fs::File::open(&archive).map_err(|error| Problem::at(&archive, error))?;
    let (reader, writer) = std::io::pipe().map_err(|error| Problem::failed("the backup", error))?;
    let tool = converter::gunzip(archive.into(), writer.into())?;
    let (ended, listed) = converter::beside(tool, deadline, || read(reader, path, deadline));
    let listed = listed?;
    if !ended?.is_success() {
        return Err(damaged());
    }
    listed.ok_or_else(|| Problem::NotFound(format!("The backup has no directory “{path}”.")))
}

fn damaged() -> Problem {
    Problem::Conflict("The backup is damaged, and cannot be read to its end.".to_owned())
}

/// The entries of the directory; none if it is not there.
fn read(stream: impl std::io::Read, path: &HomePath, deadline: Deadline) -> Result<Option<Listing>, Problem> {
    let wanted: Vec<&[u8]> = [HOME]
        .into_iter()
        .chain(path.from_home().split('/'))
        .filter(|part| !part.is_empty())
        .map(str::as_bytes)
        .collect();
    let mut reader = TarReader::new(BufReader::with_capacity(BUFFER, stream));
    let mut listing = None;
    while let Some(entry) = reader.next_entry().map_err(|_| damaged())? {
        if deadline.is_over() {
            let sentence = "The backup is too large to be looked into within the time limit. Restore it as a whole.";
            return Err(Problem::TimedOut(sentence.to_owned()));
        }
        let Ok(Some(at)) = EntryPath::parse(&entry.name) else { continue };
        let parts: Vec<&[u8]> = at.parents().iter().map(|name| name.to_bytes()).chain([at.name().to_bytes()]).collect();
        let Some(below) = parts.strip_prefix(wanted.as_slice()) else { continue };
        let is_directory = entry.kind == Kind::Directory;
        let size = if let Kind::File(size) = entry.kind { size } else { 0 };
        match below {
            [] if !is_directory => {}
            [] => drop(listing.get_or_insert_with(Listing::default)),
            [name, further @ ..] => {
                let listing = listing.get_or_insert_with(Listing::default);
                if listing.entries.len() < MAX_LISTED || listing.entries.contains_key(*name) {
                    listing.entries.entry(name.to_vec()).or_insert((is_directory || !further.is_empty(), size));
                } else {
                    listing.truncated = true;
                }
            }
        }
    }
    Ok(listing)
}
