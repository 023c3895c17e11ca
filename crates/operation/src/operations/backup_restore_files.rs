//! `/backup/restore-files`: restores some files and directories of a backup to where they were.

use serde_json::{Value, json};

use crate::backups::directory::BackupDirectory;
use crate::backups::manifest::Manifest;
use crate::backups::restore::{self, Selection};
use crate::files::owner::Owner;
use crate::perform::{Context, Perform};
use crate::transaction::lock;
use opterius_host::problem::Problem;
use opterius_host::request::backup_restore_files::RestoreFiles;

impl Perform for RestoreFiles {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { filename, username, files, overwrite, .. } = self;
        let owner = Owner::of(host, username)?;
        let directory = BackupDirectory::of(host, username)?;
        let manifest = Manifest::read(&directory, filename)?;
        let _in_use = directory.take()?;
        let _slot = lock::backup(host)?;
        let archive = manifest.verified(&directory, filename, deadline)?;
        let selection = Selection::Some(files.iter().map(|file| file.from_home().to_owned()).collect());
        let merged = restore::files(&owner, archive, 0, selection, *overwrite, deadline)?;
        if merged.restored == 0 && merged.skipped == 0 {
            return Err(Problem::NotFound("The backup contains none of these files.".to_owned()));
        }
        Ok(json!({"restored": merged.restored, "skipped": merged.skipped, "warnings": merged.warnings()}))
    }
}
