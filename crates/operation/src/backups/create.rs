//! Making a backup: it has its name only when it is complete and its checksum is stored.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use crate::backups::contents::{HOME, LIMITS, Outgoing};
use crate::backups::databases::Dumps;
use crate::backups::directory::BackupDirectory;
use crate::backups::manifest::{Manifest, checksum};
use crate::files::archive::summary::Summary;
use crate::files::archive::{converter, pack, tar};
use crate::files::home::Home;
use crate::files::owner::Owner;
use crate::transaction::lock;
use opterius_base::clock::{Clock, SystemClock, Timestamp};
use opterius_base::deadline::Deadline;
use opterius_base::files::{self, FileMode};
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::backup::{BackupKind, BackupName};
use opterius_host::request::values::Username;

/// What a program may leave of the time of a backup when it says that the time is over.
const LAST_MOMENT: Duration = Duration::from_secs(2);

/// A new backup.
pub struct Created {
    /// Its name.
    pub name: BackupName,
    /// What is known about it.
    pub manifest: Manifest,
    /// What was left out.
    pub warnings: Vec<String>,
}

/// Makes a backup of an account.
///
/// # Errors
/// Too many backups are going on, the disk is too full, or the time is too short. Nothing is left then.
pub fn create(host: &Host, username: &Username, kind: BackupKind, deadline: Deadline) -> Result<Created, Problem> {
    let owner = Owner::of(host, username)?;
    let directory = BackupDirectory::of(host, username)?;
    directory.make()?;
    let _in_use = directory.take()?;
    let _slot = lock::backup(host)?;
    directory.check_space(0)?;
    let now = SystemClock.wall();
    let name = BackupName::new(username.clone(), kind, now);
    if directory.archive(&name).exists() {
        return Err(Problem::Conflict("A backup was made in this very second. Try again.".to_owned()));
    }
    let partial = directory.partial("archive");
    let plan = Plan { host, owner: &owner, username, directory: &directory, kind, now, deadline };
    let written = plan.write();
    let stored = written.and_then(|(manifest, summary)| {
        let bytes = serde_json::to_vec(&manifest).unwrap_or_default();
        let path = directory.manifest(&name);
        files::replace(&path, &bytes, FileMode::mode(0o600)).map_err(|error| Problem::at(&path, error))?;
        fs::rename(&partial, directory.archive(&name)).map_err(|error| Problem::at(&partial, error))?;
        Ok(Created { name: name.clone(), manifest, warnings: summary.warnings() })
    });
    if stored.is_err() {
        let _ = fs::remove_file(&partial);
        let _ = fs::remove_file(directory.manifest(&name));
    }
    stored
}

/// What goes into a backup, and when it must be complete.
struct Plan<'a> {
    host: &'a Host,
    owner: &'a Owner<'a>,
    username: &'a Username,
    directory: &'a BackupDirectory,
    kind: BackupKind,
    now: Timestamp,
    deadline: Deadline,
}

impl Plan<'_> {
    /// Writes the unfinished file.
    fn write(&self) -> Result<(Manifest, Summary), Problem> {
        let path = self.directory.partial("archive");
        let failed = |error| Problem::at(&path, error);
        let created = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let mut archive = created.map_err(failed)?;
        let dumps = self.dumps()?;
        let summary = self.pack(&archive, &dumps)?;
        archive.sync_all().map_err(failed)?;
        rustix::fs::seek(&archive, rustix::fs::SeekFrom::Start(0)).map_err(|error| failed(error.into()))?;
        let (size, sha256) = checksum(&mut archive, self.deadline)?.ok_or_else(too_large)?;
        let Summary { entries, skipped, bytes: content_size, .. } = summary;
        let created_at = self.now;
        let manifest =
            Manifest { created_at, size, sha256, content_size, entries, skipped, databases: dumps.databases() };
        Ok((manifest, summary))
    }

    fn dumps(&self) -> Result<Dumps, Problem> {
        if !self.kind.has_databases() {
            return Ok(Dumps::default());
        }
        let dumps = Dumps::of(self.host, self.directory, self.username, self.deadline)
            .map_err(|problem| self.in_words(problem))?;
        if dumps.is_empty() && !self.kind.has_files() {
            return Err(Problem::Conflict(format!("The account “{}” has no databases.", self.username)));
        }
        Ok(dumps)
    }

    fn pack(&self, archive: &File, dumps: &Dumps) -> Result<Summary, Problem> {
        let failed = |error| Problem::failed("the backup", error);
        let (reader, writer) = std::io::pipe().map_err(failed)?;
        let stream = Outgoing::new(writer, archive).map_err(failed)?;
        let tool = converter::gzip(reader.into(), archive.try_clone().map_err(failed)?.into())?;
        let (ended, packed) = converter::beside(tool, self.deadline, || self.fill(stream, dumps));
        match (ended, packed) {
            (Ok(output), packed) if output.is_success() => packed.map_err(|problem| self.in_words(problem)),
            // It was not written to any more.
            (Ok(output), Ok(_)) => {
                Err(Problem::failure(format!("The backup cannot be written: {}", converter::complaint(&output))))
            }
            (_, Err(problem)) | (Err(problem), _) => Err(self.in_words(problem)),
        }
    }

    /// Writes the archive: databases as root, whose dumps they are, and then files as the account.
    fn fill(&self, mut stream: Outgoing, dumps: &Dumps) -> Result<Summary, Problem> {
        let bytes = dumps.pack(&mut stream, self.now, self.deadline)?;
        let mut summary = Summary::within(LIMITS);
        if self.kind.has_files() {
            let deadline = self.deadline;
            let pack = move |home: &Home| pack::pack_directory(home.top()?, HOME.as_bytes(), stream, LIMITS, deadline);
            summary = self.owner.run(deadline, pack)?;
        } else {
            let ended = stream.write_all(&tar::trailer()).and_then(|()| stream.flush());
            ended.map_err(|error| Problem::failed("the backup", error))?;
        }
        summary.bytes = summary.bytes.saturating_add(bytes);
        Ok(summary)
    }

    /// The words of archives in a home do not fit a backup. What timed out before the operation itself, such as a lock, says why.
    fn in_words(&self, problem: Problem) -> Problem {
        let is_over = self.deadline.left() < LAST_MOMENT;
        if is_over && matches!(problem, Problem::TimedOut(_)) { too_large() } else { problem }
    }
}

fn too_large() -> Problem {
    Problem::TimedOut(
        "The account is too large for a backup through the Panel, which waits ten minutes. Nothing is left of it; back it up with a \
         program of the server's, such as borg or restic."
            .to_owned(),
    )
}
