//! `init`: creates the database and the signing keys of an installation.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::installation::{DataDir, FORM_SECRET, INSTALLATION, Installation, SIGNING_KEYS, failed};
use crate::installation_error::InstallationError;
use crate::keys::SigningKeys;
use crate::random_token;
use crate::store::{self, Database, Location, Server};
use opterius_base::clock::Timestamp;

impl DataDir {
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
        self.check_directories()?;
        let _changes_lock = self.lock_changes()?;
        self.check_not_restoring()?;
        self.remove_unfinished()?;
        self.check_absent(&self.keys_path())?;
        match self.database() {
            Location::File(path) => self.create_file(path, now)?,
            Location::Postgresql(server) => self.create_on_server(server, now)?,
        }
        self.open()
    }

    fn check_absent(&self, path: &Path) -> Result<(), InstallationError> {
        if path.symlink_metadata().is_err() {
            return Ok(());
        }
        Err(InstallationError::Refused(format!(
            "{}: already exists. Nothing was changed: init never overwrites an installation",
            path.display()
        )))
    }

    fn create_file(&self, path: &Path, now: Timestamp) -> Result<(), InstallationError> {
        self.check_absent(path)?;
        self.build(path, now).inspect_err(|_| {
            // Remove what was written before the failure, such as a full disk.
            let _ = self.remove_unfinished();
        })
    }

    /// Creates the tables and the keys. The keys are on disk before the commit, under a name of their own, and get theirs after
    /// it. If this program is killed between, or cannot know what became of the commit, the next `init` goes on with these
    /// keys: the database may name them, and Agents trust no others.
    fn create_on_server(&self, server: &Server, now: Timestamp) -> Result<(), InstallationError> {
        let path = self.begun_keys_path();
        let begun = path.symlink_metadata().is_ok();
        let keys =
            if begun { SigningKeys::load(&path)? } else { SigningKeys::generate(&random_token::random()?, now)? };
        let form_secret = random_token::random()?;
        let mut has_stored = false;
        let created = store::create_on_server(server, now, |transaction| {
            transaction.put_setting(INSTALLATION, keys.installation())?;
            transaction.put_setting(FORM_SECRET, &form_secret)?;
            transaction.put_setting(SIGNING_KEYS, &keys.public_keys())?;
            if !begun {
                keys.store(&path)?;
                has_stored = true;
            }
            Ok::<(), CreationError>(())
        });
        match created {
            Ok(()) => {}
            Err(_) if begun && self.names(&keys)? => {}
            Err(error) => {
                if has_stored && !matches!(error, CreationError::Store(store::Error::Unknown(_))) {
                    let _ = fs::remove_file(&path);
                }
                return Err(error.into());
            }
        }
        fs::rename(&path, self.keys_path())
            .and_then(|()| File::open(&self.directory)?.sync_all())
            .map_err(|error| failed(&self.directory, &error))
    }

    /// Whether the database was made for these keys.
    fn names(&self, keys: &SigningKeys) -> Result<bool, InstallationError> {
        let setting = |name| store::setting(self.database(), name).map_err(InstallationError::from);
        let is_own = setting(INSTALLATION)?.as_deref() == Some(keys.installation());
        Ok(is_own && setting(SIGNING_KEYS)?.as_deref() == Some(&keys.public_keys()))
    }

    /// The keys while the database is being created on a server.
    fn begun_keys_path(&self) -> PathBuf {
        self.directory.join("signing-keys.begun.json")
    }

    /// Creates the database under a temporary name, then the keys, then renames the database. Interrupted at any point, it
    /// leaves a state that the next `init` recognizes.
    fn build(&self, path: &Path, now: Timestamp) -> Result<(), InstallationError> {
        let (installation, form_secret) = (random_token::random()?, random_token::random()?);
        let unfinished = self.unfinished();
        let keys = SigningKeys::generate(&installation, now)?;
        let mut database = Database::create_file(&unfinished)?;
        database.change(now, |transaction| {
            transaction.put_setting(INSTALLATION, &installation)?;
            transaction.put_setting(SIGNING_KEYS, &keys.public_keys())?;
            transaction.put_setting(FORM_SECRET, &form_secret)
        })?;
        // Closing checkpoints the write-ahead log into the database file.
        drop(database);
        keys.store(&self.keys_path())?;
        fs::rename(&unfinished, path)
            .and_then(|()| File::open(&self.directory)?.sync_all())
            .map_err(|error| failed(&self.directory, &error))
    }

    /// Removes the leftovers of an interrupted `init`: the database under its temporary name, and the keys created for it.
    fn remove_unfinished(&self) -> Result<(), InstallationError> {
        let unfinished = self.unfinished();
        if unfinished.symlink_metadata().is_err() {
            return Ok(());
        }
        let created_for = store::setting(&Location::File(unfinished.clone()), INSTALLATION).ok().flatten();
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
        self.beside_database("unfinished")
    }
}

/// Why a database cannot be created on a server.
enum CreationError {
    Store(store::Error),
    Keys(InstallationError),
}

impl From<store::Error> for CreationError {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<InstallationError> for CreationError {
    fn from(error: InstallationError) -> Self {
        Self::Keys(error)
    }
}

impl From<CreationError> for InstallationError {
    fn from(error: CreationError) -> Self {
        match error {
            CreationError::Store(store::Error::Unknown(cause)) => {
                Self::Refused(format!("{cause}. Repeat init: it completes the installation, or begins again"))
            }
            CreationError::Store(error) => error.into(),
            CreationError::Keys(error) => error,
        }
    }
}
