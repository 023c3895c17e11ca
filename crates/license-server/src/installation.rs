//! An installation: a database and its signing keys in one directory, created by `init` and opened by `serve`.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::cause::cause;
use crate::config::Config;
use crate::installation_error::InstallationError;
use crate::installation_locks::InstallationLocks;
use crate::keys::SigningKeys;
use crate::ownership::open_private;
use crate::store::{self, Database, Location};
use opterius_base::hex::unhex;

/// Settings in the database: the installation's name, which the key file repeats, and the key that signs form tokens.
pub(crate) const INSTALLATION: &str = "installation";
/// The public keys of the installation, of which several instances have a file each.
pub(crate) const SIGNING_KEYS: &str = "signing_keys";
pub(crate) const FORM_SECRET: &str = "form_secret";

/// The directory of an installation, and where its database is.
#[derive(Clone)]
pub struct DataDir {
    pub(crate) directory: PathBuf,
    database: Location,
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
    /// Names the directory, with the database in it; does not access it.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), database: Location::File(directory.join(store::FILE)) }
    }

    /// The installation that the settings name; does not access it.
    pub fn of(config: &Config) -> Self {
        let of_directory = Self::new(&config.data_dir);
        let database = config.database.clone().unwrap_or(of_directory.database);
        Self { database, ..of_directory }
    }

    /// Where the database is.
    pub fn database(&self) -> &Location {
        &self.database
    }

    /// The file of the database, for what only a file has.
    ///
    /// # Errors
    /// The database is not in a file.
    pub fn database_file(&self) -> Result<&Path, InstallationError> {
        self.database.file().ok_or_else(|| {
            InstallationError::Refused(format!(
                "{}: backup and restore are for databases in a file of SQLite. Use pg_dump and pg_restore, or the backups of \
                 the database's host",
                self.database
            ))
        })
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
        self.beside_database(match stage {
            Stage::Unfinished => "restoring",
            Stage::Ready => "restored",
            Stage::Replaced => "replaced",
        })
    }

    /// A file in the directory of the database, which can be renamed to be the database.
    pub(crate) fn beside_database(&self, extension: &str) -> PathBuf {
        let in_directory = self.directory.join(store::FILE);
        self.database.file().unwrap_or(&in_directory).with_extension(extension)
    }

    /// Other users must not be able to write into the directories: they could replace the files.
    pub(crate) fn check_directories(&self) -> Result<(), InstallationError> {
        check_directory(&self.directory)?;
        self.database.file().and_then(Path::parent).map_or(Ok(()), check_directory)
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
        self.check_directories()?;
        let keys = SigningKeys::load(&self.keys_path())?;
        if store::setting(&Location::File(copy.to_owned()), INSTALLATION)?.as_deref() == Some(keys.installation()) {
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
            self.database
        )))
    }

    /// Checks that the keys belong to the database, without changing anything.
    ///
    /// # Errors
    /// They do not, or one of them cannot be read.
    pub fn check_keys_belong(&self) -> Result<(), InstallationError> {
        let keys = SigningKeys::load(&self.keys_path())?;
        self.check_installation(store::setting(&self.database, INSTALLATION)?.as_deref(), &keys)?;
        self.check_named_keys(store::setting(&self.database, SIGNING_KEYS)?.as_deref(), &keys)
    }

    /// Checks that the keys are those that the database names. It names none if it is of an earlier version.
    ///
    /// # Errors
    /// They are not.
    pub fn check_named_keys(&self, named: Option<&str>, keys: &SigningKeys) -> Result<(), InstallationError> {
        if named.is_none_or(|named| named == keys.public_keys()) {
            return Ok(());
        }
        Err(InstallationError::Unusable(format!(
            "{}: the database names other keys. If another instance has changed them, copy its signing-keys.json. If an older state \
             of the database was restored with other tools, let it forget them: DELETE FROM settings WHERE name = '{SIGNING_KEYS}'",
            self.keys_path().display()
        )))
    }

    fn check_installation(&self, installation: Option<&str>, keys: &SigningKeys) -> Result<(), InstallationError> {
        if installation == Some(keys.installation()) {
            return Ok(());
        }
        Err(InstallationError::Unusable(format!(
            "{} and {} belong to different installations. Restore both from backups of the same installation",
            self.database,
            self.keys_path().display()
        )))
    }

    /// Opens the database without the signing keys, which not every process needs.
    ///
    /// # Errors
    /// It is missing or unusable.
    pub fn open_database(&self) -> Result<Database, InstallationError> {
        if !self.directory.is_dir() {
            return Ok(Database::open(&self.database)?);
        }
        self.check_directories()?;
        let lock = self.locks().lock_use()?;
        self.check_not_restoring()?;
        let mut database = Database::open(&self.database)?;
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
                self.database
            ))
        })?;
        Ok(Installation { database, keys, form_secret })
    }
}

pub(crate) fn failed(path: &Path, error: &io::Error) -> InstallationError {
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

fn check_directory(directory: &Path) -> Result<(), InstallationError> {
    let metadata = fs::metadata(directory).map_err(|error| failed(directory, &error))?;
    if metadata.permissions().mode() & 0o022 == 0 {
        return Ok(());
    }
    let display = directory.display();
    Err(InstallationError::Unusable(format!(
        "{display}: other users can write into this directory and replace the files of the license server. Run: chmod 0700 \
         {display}; or set data_dir to a directory that only the license server uses"
    )))
}
