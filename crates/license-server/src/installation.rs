//! What `init` makes and `serve` needs: a database and the signing keys that belong to it, in one directory.

use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::{FlockOperation, flock};

use crate::cause::cause;
use crate::keys::{self, SigningKeys};
use crate::ownership::open_private;
use crate::store::{self, Database};
use opterius_base::clock::Timestamp;
use opterius_base::hex::{hex, unhex};

/// The settings in the database: the name that the key file repeats, and the secret behind the tokens of forms.
const INSTALLATION: &str = "installation";
const FORM_SECRET: &str = "form_secret";

/// Where an installation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    directory: PathBuf,
}

/// An installation that is whole.
pub struct Installation {
    /// The database.
    pub database: Database,
    /// The keys that belong to it.
    pub keys: SigningKeys,
    /// The secret behind the tokens of forms.
    pub form_secret: Vec<u8>,
}

/// Why there is no installation to work with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Files may not be read or written by this user.
    Permission(String),
    /// Anything else that is wrong with it.
    Unusable(String),
    /// It is in order, or may be, and this cannot be done with it now.
    Refused(String),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Permission(sentence) | Self::Unusable(sentence) | Self::Refused(sentence) => {
                formatter.write_str(sentence)
            }
        }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Permission(_) => Self::Permission(error.to_string()),
            store::Error::Busy | store::Error::Full | store::Error::Taken => Self::Refused(error.to_string()),
            error => Self::Unusable(error.to_string()),
        }
    }
}

impl From<keys::Error> for Error {
    fn from(error: keys::Error) -> Self {
        match error {
            keys::Error::Permission(sentence) => Self::Permission(sentence),
            keys::Error::Unusable(sentence) => Self::Unusable(sentence),
            keys::Error::Refused(sentence) => Self::Refused(sentence),
        }
    }
}

impl Place {
    /// The installation in this directory.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.directory.join(store::FILE)
    }

    /// The signing keys.
    pub fn keys(&self) -> PathBuf {
        self.directory.join("signing-keys.json")
    }

    /// The file that `serve` holds locked.
    pub fn lock(&self) -> PathBuf {
        self.directory.join("serve.lock")
    }

    /// Makes database and keys.
    ///
    /// # Errors
    /// One of them is there already, or cannot be made.
    pub fn create(&self, now: Timestamp) -> Result<Installation, Error> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)
            .map_err(|error| failed(&self.directory, &error))?;
        self.check_directory()?;
        let _alone = self.alone()?;
        self.clear_interrupted()?;
        for path in [self.database(), self.keys()] {
            if path.symlink_metadata().is_ok() {
                return Err(Error::Refused(format!(
                    "{}: is there already. Nothing was changed: an installation is never overwritten",
                    path.display()
                )));
            }
        }
        let created = self.build(now);
        if created.is_err() {
            // What a full disk has left of this is no installation.
            let _ = self.clear_interrupted();
        }
        created?;
        self.open()
    }

    /// Makes the database under another name, then the keys, then gives the database its name: whenever this is ended, the
    /// next one finds what it was.
    fn build(&self, now: Timestamp) -> Result<(), Error> {
        let (installation, form_secret) = (random()?, random()?);
        let unfinished = self.unfinished();
        let mut database = Database::create(&unfinished)?;
        database.change(now, |transaction| {
            transaction.put_setting(INSTALLATION, &installation)?;
            transaction.put_setting(FORM_SECRET, &form_secret)
        })?;
        // Closing brings everything into the one file.
        drop(database);
        SigningKeys::generate(&installation, now)?.store(&self.keys())?;
        fs::rename(&unfinished, self.database())
            .and_then(|()| File::open(&self.directory)?.sync_all())
            .map_err(|error| failed(&self.directory, &error))
    }

    /// Removes what an `init` has left that did not come to its end: the database without its name, and the keys that
    /// were made for it.
    fn clear_interrupted(&self) -> Result<(), Error> {
        let unfinished = self.unfinished();
        if unfinished.symlink_metadata().is_err() {
            return Ok(());
        }
        let made_for = store::setting(&unfinished, INSTALLATION).ok().flatten();
        let own = SigningKeys::load(&self.keys()).is_ok_and(|keys| made_for.as_deref() == Some(keys.installation()));
        let beside = ["-wal", "-shm"].map(|suffix| PathBuf::from(format!("{}{suffix}", unfinished.display())));
        let keys = own.then(|| self.keys());
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

    /// Whoever may write into the directory can put other files in place of ours.
    fn check_directory(&self) -> Result<(), Error> {
        let metadata = fs::metadata(&self.directory).map_err(|error| failed(&self.directory, &error))?;
        if metadata.permissions().mode() & 0o022 == 0 {
            return Ok(());
        }
        let shown = self.directory.display();
        Err(Error::Unusable(format!(
            "{shown}: other users may write into it, and put files of their own in place of the license server's. Give it a \
             directory of its own (data_dir), or run: chmod 0700 {shown}"
        )))
    }

    /// Waits until no other command makes or changes the keys, and keeps the next one waiting until this is dropped.
    ///
    /// # Errors
    /// The directory cannot be opened.
    pub fn alone(&self) -> Result<File, Error> {
        // Not the directory itself, which others may be able to open and to keep locked.
        let path = self.directory.join("changes.lock");
        let file = open_private(&path).map_err(|error| failed(&path, &error))?;
        flock(&file, FlockOperation::LockExclusive).map_err(|error| failed(&path, &error.into()))?;
        Ok(file)
    }

    /// Whether the keys belong to the database; nothing is changed.
    ///
    /// # Errors
    /// They do not, or one of them cannot be read.
    pub fn belong_together(&self) -> Result<(), Error> {
        let keys = SigningKeys::load(&self.keys())?;
        self.is_of(store::setting(&self.database(), INSTALLATION)?.as_deref(), &keys)
    }

    fn is_of(&self, installation: Option<&str>, keys: &SigningKeys) -> Result<(), Error> {
        if installation == Some(keys.installation()) {
            return Ok(());
        }
        Err(Error::Unusable(format!(
            "{} and {} do not belong together. Restore both from backups of one installation",
            self.database().display(),
            self.keys().display()
        )))
    }

    /// Opens database and keys.
    ///
    /// # Errors
    /// One of them is missing or cannot be used, or they do not belong together.
    pub fn open(&self) -> Result<Installation, Error> {
        if self.directory.is_dir() {
            self.check_directory()?;
        }
        let mut database = Database::open(&self.database())?;
        let keys = SigningKeys::load(&self.keys())?;
        let (installation, form_secret) = database.read(|transaction| {
            Ok::<_, store::Error>((transaction.setting(INSTALLATION)?, transaction.setting(FORM_SECRET)?))
        })?;
        self.is_of(installation.as_deref(), &keys)?;
        let form_secret = form_secret.and_then(|secret| unhex(secret.as_bytes())).filter(|secret| secret.len() == 32);
        let form_secret = form_secret.ok_or_else(|| {
            Error::Unusable(format!("{}: lacks its form_secret. Restore a backup", self.database().display()))
        })?;
        Ok(Installation { database, keys, form_secret })
    }
}

fn failed(path: &Path, error: &io::Error) -> Error {
    let shown = path.display();
    match error.kind() {
        ErrorKind::PermissionDenied => Error::Permission(format!("{shown}: permission denied")),
        ErrorKind::NotFound => {
            Error::Unusable(format!("{shown}: there is no such directory. Make it with: install -d -m 0700 {shown}"))
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::Refused(format!("{shown}: {}", cause(error))),
        _ => Error::Unusable(format!("{shown}: {}", cause(error))),
    }
}

/// 32 random bytes, in hex.
fn random() -> Result<String, Error> {
    let mut bytes = [0; 32];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Error::Unusable("the system gives no random numbers".to_owned()))?;
    Ok(hex(&bytes))
}
