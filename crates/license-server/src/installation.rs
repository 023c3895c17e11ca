//! An installation: a database and its signing keys in one directory, created by `init` and opened by `serve`.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::{FlockOperation, flock};

use crate::cause::cause;
use crate::installation_error::InstallationError;
use crate::installation_locks::InstallationLocks;
use crate::keys::SigningKeys;
use crate::ownership::open_private;
use crate::store::{self, Database};
use opterius_base::clock::Timestamp;
use opterius_base::hex::{hex, unhex};

/// Settings in the database: the installation's name, which the key file repeats, and the key that signs form tokens.
const INSTALLATION: &str = "installation";
const FORM_SECRET: &str = "form_secret";

/// The directory of an installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDir {
    directory: PathBuf,
}

/// The stages of a restore, each with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The copy of the backup is being written.
    Unfinished,
    /// The copy is complete and will replace the database.
    Ready,
    /// The database that was replaced.
    Replaced,
}

/// An open installation.
pub struct Installation {
    /// The database.
    pub database: Database,
    /// The signing keys of this database.
    pub keys: SigningKeys,
    /// The key that signs form tokens, 32 bytes.
    pub form_secret: Vec<u8>,
}

impl DataDir {
    /// Names the directory; does not access it.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// The path of the database.
    pub fn database_path(&self) -> PathBuf {
        self.directory.join(store::FILE)
    }

    /// The path of the signing keys.
    pub fn keys_path(&self) -> PathBuf {
        self.directory.join("signing-keys.json")
    }

    /// The lock files.
    pub fn locks(&self) -> InstallationLocks {
        InstallationLocks {
            server: self.directory.join("serve.lock"),
            deliverer: self.directory.join("deliver.lock"),
            database: self.directory.join("use.lock"),
        }
    }

    /// The path of a file of a restore.
    pub fn restore_path(&self, stage: Stage) -> PathBuf {
        let name = match stage {
            Stage::Unfinished => "licenses.restoring",
            Stage::Ready => "licenses.restored",
            Stage::Replaced => "licenses.replaced",
        };
        self.directory.join(name)
    }

    /// Creates the database and the keys.
    ///
    /// # Errors
    /// One of them exists already or cannot be created.
    pub fn create(&self, now: Timestamp) -> Result<Installation, InstallationError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)
            .map_err(|error| failed(&self.directory, &error))?;
        self.check_directory()?;
        let _changes_lock = self.lock_changes()?;
        self.check_not_restoring()?;
        self.remove_unfinished()?;
        for path in [self.database_path(), self.keys_path()] {
            if path.symlink_metadata().is_ok() {
                return Err(InstallationError::Refused(format!(
                    "{}: already exists. Nothing was changed: init never overwrites an installation",
                    path.display()
                )));
            }
        }
        let created = self.build(now);
        if created.is_err() {
            // Remove what was written before the failure, such as a full disk.
            let _ = self.remove_unfinished();
        }
        created?;
        self.open()
    }

    /// Creates the database under a temporary name, then the keys, then renames the database. Interrupted at any point, it
    /// leaves a state that the next `init` recognizes.
    fn build(&self, now: Timestamp) -> Result<(), InstallationError> {
        let (installation, form_secret) = (random()?, random()?);
        let unfinished = self.unfinished();
        let mut database = Database::create(&unfinished)?;
        database.change(now, |transaction| {
            transaction.put_setting(INSTALLATION, &installation)?;
            transaction.put_setting(FORM_SECRET, &form_secret)
        })?;
        // Closing checkpoints the write-ahead log into the database file.
        drop(database);
        SigningKeys::generate(&installation, now)?.store(&self.keys_path())?;
        fs::rename(&unfinished, self.database_path())
            .and_then(|()| File::open(&self.directory)?.sync_all())
            .map_err(|error| failed(&self.directory, &error))
    }

    /// Removes the leftovers of an interrupted `init`: the database under its temporary name, and the keys created for it.
    fn remove_unfinished(&self) -> Result<(), InstallationError> {
        let unfinished = self.unfinished();
        if unfinished.symlink_metadata().is_err() {
            return Ok(());
        }
        let created_for = store::setting(&unfinished, INSTALLATION).ok().flatten();
        let own =
            SigningKeys::load(&self.keys_path()).is_ok_and(|keys| created_for.as_deref() == Some(keys.installation()));
        let beside = ["-wal", "-shm"].map(|suffix| PathBuf::from(format!("{}{suffix}", unfinished.display())));
        let keys = own.then(|| self.keys_path());
        for path in keys.iter().chain(&beside).chain([&unfinished]) {
            match fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(path, &error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn unfinished(&self) -> PathBuf {
        self.directory.join("licenses.unfinished")
    }

    /// Other users must not be able to write into the directory: they could replace its files.
    fn check_directory(&self) -> Result<(), InstallationError> {
        let metadata = fs::metadata(&self.directory).map_err(|error| failed(&self.directory, &error))?;
        if metadata.permissions().mode() & 0o022 == 0 {
            return Ok(());
        }
        let display = self.directory.display();
        Err(InstallationError::Unusable(format!(
            "{display}: other users can write into this directory and replace the files of the license server. Run: chmod 0700 \
             {display}; or set data_dir to a directory that only the license server uses"
        )))
    }

    /// Takes the lock under which commands create or change the keys, waiting for other holders. Dropping the file
    /// releases it.
    ///
    /// # Errors
    /// The lock file cannot be opened.
    pub fn lock_changes(&self) -> Result<File, InstallationError> {
        // A file and not the directory: another user who can open the directory could hold its lock.
        let path = self.directory.join("changes.lock");
        let file = open_private(&path).map_err(|error| failed(&path, &error))?;
        flock(&file, FlockOperation::LockExclusive).map_err(|error| failed(&path, &error.into()))?;
        Ok(file)
    }

    /// Checks that a backup belongs to the keys; `copy` is a copy of it.
    ///
    /// # Errors
    /// It does not, or the keys cannot be read.
    pub fn check_backup_belongs(&self, copy: &Path, backup: &Path) -> Result<(), InstallationError> {
        self.check_directory()?;
        let keys = SigningKeys::load(&self.keys_path())?;
        if store::setting(copy, INSTALLATION)?.as_deref() == Some(keys.installation()) {
            return Ok(());
        }
        Err(InstallationError::Refused(format!(
            "{}: the backup is of another installation than {}. Nothing was changed. Restore the keys of the same \
             installation first",
            backup.display(),
            self.keys_path().display()
        )))
    }

    /// Checks that no restore was interrupted.
    ///
    /// # Errors
    /// It was: the database has been removed in part.
    pub fn check_not_restoring(&self) -> Result<(), InstallationError> {
        if self.restore_path(Stage::Ready).symlink_metadata().is_err() {
            return Ok(());
        }
        Err(InstallationError::Unusable(format!(
            "{}: a restore was interrupted while it replaced the database. Nothing is lost; repeat it: \
             opterius-license-server restore FILE",
            self.database_path().display()
        )))
    }

    /// Checks that the keys belong to the database, without changing anything.
    ///
    /// # Errors
    /// They do not, or one of them cannot be read.
    pub fn check_keys_belong(&self) -> Result<(), InstallationError> {
        let keys = SigningKeys::load(&self.keys_path())?;
        self.check_installation(store::setting(&self.database_path(), INSTALLATION)?.as_deref(), &keys)
    }

    fn check_installation(&self, installation: Option<&str>, keys: &SigningKeys) -> Result<(), InstallationError> {
        if installation == Some(keys.installation()) {
            return Ok(());
        }
        Err(InstallationError::Unusable(format!(
            "{} and {} belong to different installations. Restore both from backups of the same installation",
            self.database_path().display(),
            self.keys_path().display()
        )))
    }

    /// Opens the database without the signing keys, which not every process needs.
    ///
    /// # Errors
    /// It is missing or unusable.
    pub fn open_database(&self) -> Result<Database, InstallationError> {
        if !self.directory.is_dir() {
            return Ok(Database::open(&self.database_path())?);
        }
        self.check_directory()?;
        let lock = self.locks().lock_use()?;
        self.check_not_restoring()?;
        let mut database = Database::open(&self.database_path())?;
        database.keep(lock);
        Ok(database)
    }

    /// Opens the database and the keys.
    ///
    /// # Errors
    /// One of them is missing or unusable, or they belong to different installations.
    pub fn open(&self) -> Result<Installation, InstallationError> {
        let mut database = self.open_database()?;
        let keys = SigningKeys::load(&self.keys_path())?;
        let (installation, form_secret) = database.read(|transaction| {
            Ok::<_, store::Error>((transaction.setting(INSTALLATION)?, transaction.setting(FORM_SECRET)?))
        })?;
        self.check_installation(installation.as_deref(), &keys)?;
        let form_secret = form_secret.and_then(|secret| unhex(secret.as_bytes())).filter(|secret| secret.len() == 32);
        let form_secret = form_secret.ok_or_else(|| {
            InstallationError::Unusable(format!(
                "{}: the setting form_secret is missing or invalid. Restore a backup",
                self.database_path().display()
            ))
        })?;
        Ok(Installation { database, keys, form_secret })
    }
}

fn failed(path: &Path, error: &io::Error) -> InstallationError {
    let display = path.display();
    match error.kind() {
        ErrorKind::PermissionDenied => InstallationError::Permission(format!("{display}: permission denied")),
        ErrorKind::NotFound => InstallationError::Unusable(format!(
            "{display}: no such directory. Create it with: install -d -m 0700 {display}"
        )),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            InstallationError::Refused(format!("{display}: {}", cause(error)))
        }
        _ => InstallationError::Unusable(format!("{display}: {}", cause(error))),
    }
}

/// 32 random bytes in hexadecimal.
fn random() -> Result<String, InstallationError> {
    let mut bytes = [0; 32];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| InstallationError::Unusable("the system provides no random numbers".to_owned()))?;
    Ok(hex(&bytes))
}
