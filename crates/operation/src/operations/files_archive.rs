//! `/files/archive`: unpacks an archive (`.zip`, `.tar.gz`, `.tgz`) beside itself, or compresses anything else to a `.tar.gz`
//! beside it. Nothing that exists is replaced, and what is incomplete is removed, or completed by a repeat.

use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, openat};
use rustix::io::Errno;
use serde_json::Value;

use crate::files::archive::placement::Placement;
use crate::files::archive::source::{Format, Source};
use crate::files::archive::summary::Summary;
use crate::files::archive::unpack::Rules;
use crate::files::archive::{self, Limits, converter, pack, unpack};
use crate::files::home::Home;
use crate::files::owner::{Owner, SHORT};
use crate::files::replacement::Replacement;
use crate::perform::{Context, Perform};
use opterius_base::deadline::Deadline;
use opterius_host::problem::Problem;
use opterius_host::request::files_archive::ArchiveFile;
use opterius_host::request::home_path::{FileName, HomePath};
use opterius_host::tool::Output;

/// Time limit, after which there is time to remove what was unpacked.
const TIME: Duration = Duration::from_secs(75);

/// How many archives of one directory can be there.
const MAX_NUMBER: u32 = 100;

/// The exit status of gzip for a warning.
const GZIP_WARNING: i32 = 2;

/// Size of the buffers between the tree and the stream.
const BUFFER: usize = 64 * 1024;

impl Perform for ArchiveFile {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let owner = Owner::of(host, &self.username)?;
        let (path, deadline) = (&self.path, deadline.sooner(TIME));
        let at = path.clone();
        let (is_file, _held) =
            owner.run(deadline.sooner(SHORT), move |home| Ok((home.place(&at)?.find()?.is_file(), take(home)?)))?;
        match Format::of(path.from_home()).filter(|_| is_file) {
            Some(format) => {
                let (parent, _) = path.parent_and_name().unwrap_or_default();
                Ok(extract(&owner, path, format, deadline)?.to_json("extracted", &path.absolute(parent)))
            }
            None => {
                let (summary, made) = compress(&owner, path, deadline)?;
                Ok(summary.to_json("compressed", &made))
            }
        }
    }
}

/// Takes the account's home for one archive: all accounts share the few places for operations that take long. The lock ends with
/// the descriptor.
fn take(home: &Home) -> Result<OwnedFd, Problem> {
    let top = home.top()?;
    let taken = flock(&top, FlockOperation::NonBlockingLockExclusive);
    taken.map(|()| top).map_err(|_| {
        let sentence = "Another archive of this account is being packed or unpacked. Wait until it has ended.";
        Problem::Conflict(sentence.to_owned())
    })
}

fn extract(owner: &Owner<'_>, path: &HomePath, format: Format, deadline: Deadline) -> Result<Summary, Problem> {
    let at = path.clone();
    let Opened { placement, unpacking } =
        owner.run(deadline.sooner(SHORT), move |home| open_archive(home, &at, format, deadline))?;
    let unpacked = match unpacking {
        None => Ok(None),
        Some((source, top)) => convert(owner, source, top, deadline).map(Some),
    };
    // There is always time to remove what was unpacked.
    let soon = Deadline::within(SHORT);
    owner.run(soon, move |_| {
        let placed = unpacked.and_then(|summary| {
            if !placement.is_complete() {
                placement.seal()?;
            }
            let moved = placement.take_place(soon)?;
            // Of what a killed helper had unpacked, only the names that were left to move are counted.
            Ok(summary.unwrap_or_else(|| Summary { entries: moved, ..Summary::within(Limits::ARCHIVE) }))
        });
        if placed.is_err() {
            placement.discard(soon)?;
        }
        placed
    })
}

/// An archive, and where it is unpacked.
struct Opened {
    placement: Placement,
    /// The archive, and an empty directory for what is in it; none if a killed helper has unpacked it already.
    unpacking: Option<(Source, OwnedFd)>,
}

fn open_archive(home: &Home, path: &HomePath, format: Format, deadline: Deadline) -> Result<Opened, Problem> {
    let place = home.place(path)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = openat(&place.directory, &place.name, flags, Mode::empty());
    let file = File::from(opened.map_err(|error| place.obstacle(error))?);
    let status = fstat(&file).map_err(|error| place.obstacle(error))?;
    let size = u64::try_from(status.st_size).unwrap_or(0);
    let source = Source { file, shown: place.shown.clone(), format, size };
    source.check()?;
    let placement = Placement::begin(place, &status)?;
    let unpacking = match placement.is_complete() {
        true => None,
        false => Some((source, placement.empty(deadline)?)),
    };
    Ok(Opened { placement, unpacking })
}

/// Unpacks an archive into an empty directory.
fn convert(owner: &Owner<'_>, source: Source, top: OwnedFd, deadline: Deadline) -> Result<Summary, Problem> {
    let is_zip = source.format == Format::Zip;
    let (source, top) = match is_zip {
        true => owner.run(deadline, move |_| source.copied(&top, deadline).map(|copy| (copy, top)))?,
        false => (source, top),
    };
    let Source { file, size, .. } = source;
    let (reader, writer) = io::pipe().map_err(|error| Problem::failed("the archive", error))?;
    let program = if is_zip { converter::zip_to_tar } else { converter::gunzip };
    let tool = program(file.into(), writer.into())?;
    let (ended, unpacked) = converter::beside(tool, deadline, || {
        owner.run(deadline, move |_| {
            unpack::unpack(&top, BufReader::with_capacity(BUFFER, reader), Rules::of_archive(size), deadline)
        })
    });
    match (in_time(ended)?, unpacked) {
        (output, Err(Problem::Conflict(sentence))) if output.code.is_some_and(|code| code != 0) => {
            // If it stopped because it was not read any more, it has nothing to say.
            let complaint = converter::complaint(&output);
            Err(Problem::Conflict(if complaint.is_empty() { sentence } else { format!("{sentence} ({complaint})") }))
        }
        // gzip warns of what is behind its stream.
        (output, Ok(_)) if !output.is_success() && (is_zip || output.code != Some(GZIP_WARNING)) => {
            let sentence = format!("The archive is damaged, and was not unpacked: {}.", converter::complaint(&output));
            Err(Problem::Conflict(sentence))
        }
        (_, unpacked) => unpacked,
    }
}

/// What the program says, in words about the archive if it was stopped.
fn in_time(ended: Result<Output, Problem>) -> Result<Output, Problem> {
    ended.map_err(|problem| if matches!(problem, Problem::TimedOut(_)) { archive::too_late() } else { problem })
}

/// Compresses what is at the path, and returns where the archive is.
fn compress(owner: &Owner<'_>, path: &HomePath, deadline: Deadline) -> Result<(Summary, String), Problem> {
    let at = path.clone();
    let (archive, made) = owner.run(deadline.sooner(SHORT), move |home| new_archive(home, &at))?;
    let (reader, writer) = io::pipe().map_err(|error| Problem::failed("the archive", error))?;
    let tool = archive.descriptor().and_then(|file| converter::gzip(reader.into(), file));
    let from = path.clone();
    let packed = tool.and_then(|tool| {
        let (ended, packed) = converter::beside(tool, deadline, || {
            owner.run(deadline, move |home| {
                pack::pack(&home.place(&from)?, BufWriter::with_capacity(BUFFER, writer), deadline)
            })
        });
        match in_time(ended)? {
            output if output.is_success() => packed,
            output => {
                Err(Problem::failure(format!("The archive cannot be written: {}", converter::complaint(&output))))
            }
        }
    });
    // The file is completed or deleted with the account's privileges.
    let summary = owner.run(Deadline::within(SHORT), move |_| {
        let summary = packed?;
        archive.complete()?;
        Ok(summary)
    })?;
    Ok((summary, made.to_string()))
}

/// Begins an archive under a free name beside what it will contain.
fn new_archive(home: &Home, path: &HomePath) -> Result<(Replacement, HomePath), Problem> {
    let (_, name) = path.parent_and_name().unwrap_or_default();
    for number in 1..=MAX_NUMBER {
        let name = if number == 1 { format!("{name}.tar.gz") } else { format!("{name}-{number}.tar.gz") };
        let archive = path.beside(&FileName::parse("path", &name)?);
        let place = home.place(&archive)?;
        if place.look()?.is_none() {
            return Ok((Replacement::begin(place)?, archive));
        }
    }
    Err(home.place(path)?.obstacle(Errno::EXIST))
}
