//! `/backup/restore-files`: restores some files and directories of a backup to where they were.

use serde_json::{Value, json};

use crate::backups::restore::{self, Selection};
use crate::perform::{Context, Perform};
use opterius_host::problem::Problem;
use opterius_host::request::backup_restore_files::RestoreFiles;

impl Perform for RestoreFiles {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { filename, username, files, overwrite, .. } = self;
        let backup = restore::open(host, username, filename, deadline)?;
        let archive = backup.archive.try_clone().map_err(|error| Problem::failed("the backup", error))?;
        let selection = Selection::Some(files.iter().map(|file| file.from_home().to_owned()).collect());
        let merged = restore::files(&backup.owner, archive, &backup.manifest, selection, *overwrite, deadline)?;
        if merged.restored == 0 && merged.skipped == 0 {
            return Err(Problem::NotFound("The backup contains none of these files.".to_owned()));
        }
        Ok(json!({"restored": merged.restored, "skipped": merged.skipped, "warnings": merged.warnings()}))
    }
}
