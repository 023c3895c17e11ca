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

    /// Creates the tables, and the keys before the commit. If the commit fails, the keys are removed; if this program is
    /// killed between, the next `init` says what to remove.
    fn create_on_server(&self, server: &Server, now: Timestamp) -> Result<(), InstallationError> {
        let (installation, form_secret) = (random_token::random()?, random_token::random()?);
        let path = self.keys_path();
        let mut has_keys = false;
        let created = store::create_on_server(server, now, |transaction| {
            transaction.put_setting(INSTALLATION, &installation)?;
            transaction.put_setting(FORM_SECRET, &form_secret)?;
            let keys = SigningKeys::generate(&installation, now)?;
            transaction.put_setting(SIGNING_KEYS, &keys.public_keys())?;
            keys.store(&path)?;
            has_keys = true;
            Ok::<(), InstallationError>(())
        });
        if created.is_err() && has_keys {
            let _ = fs::remove_file(&path);
        }
        created
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
