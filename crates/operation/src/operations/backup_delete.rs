//! `/backup/delete`: deletes a backup.

use std::fs;
use std::io::ErrorKind;

use serde_json::{Value, json};

use crate::backups::directory::BackupDirectory;
use crate::perform::{Context, Perform};
use opterius_host::problem::Problem;
use opterius_host::request::backup_delete::DeleteBackup;

impl Perform for DeleteBackup {
    fn perform(&self, Context { host, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { filename } = self;
        let directory = BackupDirectory::of(host, filename.username())?;
        directory.find(filename)?;
        let _in_use = directory.take()?;
        for path in [directory.archive(filename), directory.manifest(filename)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(Problem::at(&path, error)),
                _ => {}
            }
        }
        Ok(json!({"filename": filename}))
    }
}
