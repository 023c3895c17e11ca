//! The databases in a backup. Each dump is a file of root's before it goes into the archive, and again before it is restored:
//! an archive has sizes in front of contents, and all of a backup is read before anything is replaced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, PipeReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use crate::backups::contents::{BUFFER, DATABASES, LOOK_INTERVAL};
use crate::backups::directory::BackupDirectory;
use crate::backups::manifest::{Manifest, StoredDatabase};
use crate::databases::record::Record;
use crate::databases::server;
use crate::files::archive::converter;
use crate::files::archive::tar::{Entry, Kind, TarReader, header, padding};
use crate::servers::database_server::Engine;
use opterius_base::clock::Timestamp;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::Username;

/// Dumps in files, which are deleted with this.
#[derive(Default)]
pub struct Dumps(Vec<Dump>);

struct Dump {
    database: StoredDatabase,
    path: PathBuf,
    file: File,
}

impl Drop for Dump {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Dumps {
    /// Dumps all databases of an account.
    ///
    /// # Errors
    /// A server is not running, or the disk is too full.
    pub fn of(
        host: &Host,
        directory: &BackupDirectory,
        account: &Username,
        deadline: Deadline,
    ) -> Result<Self, Problem> {
        let record = Record::read(host, account)?;
        let mut dumps = Self::default();
        for engine in Engine::ALL {
            for name in &record.of(engine).databases {
                directory.check_space(0)?;
                let database = StoredDatabase { engine: word(engine).to_owned(), name: name.as_str().to_owned() };
                let dump = Dump::new(directory, database)?;
                dump.fill(directory, |output| server::running(host, engine, deadline)?.dump(name, output))?;
                dumps.0.push(dump);
            }
        }
        Ok(dumps)
    }

    /// Which databases they are of.
    pub fn databases(&self) -> Vec<StoredDatabase> {
        self.0.iter().map(|dump| dump.database.clone()).collect()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes them as entries of an archive; returns their size.
    ///
    /// # Errors
    /// The stream does not take them.
    pub fn pack(&self, mut stream: impl Write, now: Timestamp, deadline: Deadline) -> Result<u64, Problem> {
        let mut bytes = 0_u64;
        for dump in &self.0 {
            if deadline.is_over() {
                return Err(Problem::TimedOut("The databases are too large.".to_owned()));
            }
            let size = dump.write(&mut stream, now).map_err(|error| Problem::failed("the backup", error))?;
            bytes = bytes.saturating_add(size);
        }
        Ok(bytes)
    }

    /// The dumps in an open backup: those that its manifest lists.
    ///
    /// # Errors
    /// The backup is damaged, or the disk too full.
    pub fn in_backup(
        directory: &BackupDirectory,
        archive: File,
        manifest: &Manifest,
        deadline: Deadline,
    ) -> Result<Self, Problem> {
        let (reader, writer) = io::pipe().map_err(|error| Problem::failed("the backup", error))?;
        let tool = converter::gunzip(archive.into(), writer.into())?;
        // Reading stops in front of the home's files, so gzip ends with an error that says nothing.
        let (_, dumps) = converter::beside(tool, deadline, || unpack(directory, reader, deadline));
        let dumps = dumps?;
        if dumps.databases() == manifest.databases { Ok(dumps) } else { Err(damaged()) }
    }

    /// Restores those whose databases the account has; returns how many, and warnings about the others.
    ///
    /// # Errors
    /// A server is not running, or refuses. Repeating the call completes it.
    pub fn restore(
        &self,
        host: &Host,
        account: &Username,
        deadline: Deadline,
    ) -> Result<(usize, Vec<String>), Problem> {
        let record = Record::read(host, account)?;
        let (mut restored, mut warnings) = (0_usize, Vec::new());
        for Dump { database, file, path } in &self.0 {
            let StoredDatabase { engine, name } = database;
            let known = Engine::ALL.into_iter().find(|known| word(*known) == engine).and_then(|engine| {
                let name = record.of(engine).databases.iter().find(|known| known.as_str() == name)?;
                Some((engine, name))
            });
            let Some((engine, name)) = known else {
                warnings.push(format!(
                    "“{name}” is in the backup, and the account has no such database. Create it in the Panel, then restore again."
                ));
                continue;
            };
            let failed = |error| Problem::at(path, error);
            rustix::fs::seek(file, rustix::fs::SeekFrom::Start(0)).map_err(|error| failed(error.into()))?;
            let dump = file.try_clone().map_err(failed)?;
            server::running(host, engine, deadline)?.restore(name, dump.into())?;
            restored = restored.saturating_add(1);
        }
        Ok((restored, warnings))
    }
}

impl Dump {
    fn new(directory: &BackupDirectory, database: StoredDatabase) -> Result<Self, Problem> {
        let path = directory.partial(&format!("{}-{}", database.engine, database.name));
        let created = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = created.map_err(|error| Problem::at(&path, error))?;
        Ok(Self { database, path, file })
    }

    /// Writes what `program` writes. It can be much more than what the database has on the disk, which is looked at meanwhile.
    fn fill(
        &self,
        directory: &BackupDirectory,
        program: impl FnOnce(OwnedFd) -> Result<(), Problem> + Send,
    ) -> Result<(), Problem> {
        let (reader, writer) = io::pipe().map_err(|error| Problem::failed("the backup", error))?;
        std::thread::scope(|scope| {
            let dumping = scope.spawn(move || program(writer.into()));
            // The reader is closed with the end of this, and then the program cannot write any more.
            let copied = self.copy(directory, reader);
            let dumped = dumping.join().unwrap_or_else(|_| Err(Problem::failed("the backup", "a thread panicked")));
            copied.and(dumped)
        })
    }

    fn copy(&self, directory: &BackupDirectory, reader: PipeReader) -> Result<(), Problem> {
        while io::copy(&mut (&reader).take(LOOK_INTERVAL), &mut &self.file)
            .map_err(|error| Problem::at(&self.path, error))?
            > 0
        {
            directory.check_space(0)?;
        }
        Ok(())
    }

    fn write(&self, stream: &mut impl Write, now: Timestamp) -> io::Result<u64> {
        let size = self.file.metadata()?.len();
        let name = format!("{DATABASES}/{}/{}", self.database.engine, self.database.name).into_bytes();
        let modified = u64::try_from(now.unix()).unwrap_or(0);
        stream.write_all(&header(&Entry { name, kind: Kind::File(size), mode: 0o600, modified }))?;
        rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Start(0))?;
        let copied = io::copy(&mut (&self.file).take(size), stream)?;
        if copied != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        io::copy(&mut io::repeat(0).take(padding(size)), stream)?;
        Ok(size)
    }
}

fn unpack(directory: &BackupDirectory, stream: impl Read, deadline: Deadline) -> Result<Dumps, Problem> {
    let mut reader = TarReader::new(BufReader::with_capacity(BUFFER, stream));
    let mut dumps = Dumps::default();
    while let Some(entry) = reader.next_entry().map_err(|_| damaged())? {
        let Some(database) = stored(&entry.name) else { break };
        if deadline.is_over() {
            return Err(Problem::TimedOut("The databases of the backup are too large to be read in time.".to_owned()));
        }
        let Kind::File(size) = entry.kind else { continue };
        directory.check_space(size)?;
        let dump = Dump::new(directory, database)?;
        let copied = io::copy(&mut reader, &mut &dump.file).map_err(|error| Problem::at(&dump.path, error))?;
        if copied != size {
            return Err(damaged());
        }
        dumps.0.push(dump);
    }
    Ok(dumps)
}

fn damaged() -> Problem {
    Problem::Conflict("The backup is damaged, and nothing was restored.".to_owned())
}

/// The database of an entry in the archive.
fn stored(name: &[u8]) -> Option<StoredDatabase> {
    let (engine, name) = str::from_utf8(name).ok()?.strip_prefix(DATABASES)?.strip_prefix('/')?.split_once('/')?;
    let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let is_known = Engine::ALL.into_iter().any(|known| word(known) == engine);
    (is_known && is_name(name)).then(|| StoredDatabase { engine: engine.to_owned(), name: name.to_owned() })
}

fn word(engine: Engine) -> &'static str {
    match engine {
        Engine::MariaDb => "mariadb",
        Engine::Postgresql => "postgresql",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Tree, user};

    #[test]
    fn a_dump_is_what_the_program_writes_and_ends_before_the_disk_is_full() {
        let tree = Tree::new();
        let directory = BackupDirectory::of(&tree.host, &user("alice")).unwrap();
        directory.make().unwrap();
        let dump = |name: &str| {
            let database = StoredDatabase { engine: "mariadb".to_owned(), name: name.to_owned() };
            Dump::new(&directory, database).unwrap()
        };
        let whole = dump("whole");
        whole.fill(&directory, |output| File::from(output).write_all(&[7; 100_000]).map_err(|_| damaged())).unwrap();
        assert_eq!(fs::read(&whole.path).unwrap(), [7; 100_000]);
        let failed = dump("failed").fill(&directory, |_| Err(damaged())).unwrap_err();
        assert!(matches!(failed, Problem::Conflict(_)));
        // A disk that cannot be asked for its space is like one that is full.
        let path = directory.path().to_owned();
        let ended = dump("endless").fill(&directory, |output| {
            fs::remove_dir_all(&path).unwrap();
            let mut file = File::from(output);
            loop {
                file.write_all(&[7; 100_000]).map_err(|_| damaged())?;
            }
        });
        assert!(matches!(ended, Err(Problem::Failed(_))), "{ended:?}");
    }

    #[test]
    fn an_entry_names_its_database_and_nothing_else() {
        let name = |text: &str| stored(text.as_bytes()).map(|found| format!("{} {}", found.engine, found.name));
        assert_eq!(name("databases/mariadb/alice_shop").as_deref(), Some("mariadb alice_shop"));
        assert_eq!(name("databases/postgresql/alice-x_db").as_deref(), Some("postgresql alice-x_db"));
        for text in [
            "databases/mysql/a",
            "databases/mariadb/../x",
            "databases/mariadb/a/b",
            "databases/a",
            "home/a",
            "databases",
            "",
        ] {
            assert_eq!(name(text), None, "{text}");
        }
    }
}
