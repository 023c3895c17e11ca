//! What `init` makes and `serve` needs: a database and the signing keys that belong to it, in one directory.

use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::{FlockOperation, flock};

use crate::clock::Timestamp;
use crate::license::identity::{hex, unhex};
use crate::server::cause::cause;
use crate::server::keys::{self, SigningKeys};
use crate::server::store::{self, Database};

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
        let _alone = self.alone()?;
        for path in [self.database(), self.keys()] {
            if path.symlink_metadata().is_ok() {
                return Err(Error::Refused(format!(
                    "{}: is there already. Nothing was changed: an installation is never overwritten",
                    path.display()
                )));
            }
        }
        let (installation, form_secret) = (random()?, random()?);
        // The keys first: were we to end here, the next `init` says what is there, and `serve` that the database is not.
        let keys = SigningKeys::generate(&installation, now)?;
        keys.store(&self.keys())?;
        let created = Database::create(&self.database()).and_then(|mut database| {
            database.change(now, |changes| {
                changes.put_setting(INSTALLATION, &installation)?;
                changes.put_setting(FORM_SECRET, &form_secret)
            })?;
            Ok(database)
        });
        if created.is_err() {
            let _ = fs::remove_file(self.keys());
        }
        let form_secret = unhex(form_secret.as_bytes()).unwrap_or_default();
        Ok(Installation { database: created?, keys, form_secret })
    }

    /// Waits until no other command makes or changes the keys, and keeps the next one waiting until this is dropped.
    ///
    /// # Errors
    /// The directory cannot be opened.
    pub fn alone(&self) -> Result<File, Error> {
        let directory = File::open(&self.directory).map_err(|error| failed(&self.directory, &error))?;
        flock(&directory, FlockOperation::LockExclusive).map_err(|error| failed(&self.directory, &error.into()))?;
        Ok(directory)
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
        let mut database = Database::open(&self.database())?;
        let keys = SigningKeys::load(&self.keys())?;
        let (installation, form_secret) = database
            .read(|reader| Ok::<_, store::Error>((reader.setting(INSTALLATION)?, reader.setting(FORM_SECRET)?)))?;
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
