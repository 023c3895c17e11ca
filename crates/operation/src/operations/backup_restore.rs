//! `/backup/restore`: restores a backup as a whole. Files that are not in the backup stay.

use rustix::fs::SeekFrom;
use serde_json::{Value, json};

use crate::backups::databases::Dumps;
use crate::backups::directory::BackupDirectory;
use crate::backups::manifest::Manifest;
use crate::backups::restore::{self, Selection};
use crate::files::owner::Owner;
use crate::perform::{Context, Perform};
use crate::transaction::lock;
use opterius_host::problem::Problem;
use opterius_host::request::backup_restore::RestoreBackup;

impl Perform for RestoreBackup {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { filename, username, kind } = self;
        let owner = Owner::of(host, username)?;
        let directory = BackupDirectory::of(host, username)?;
        let manifest = Manifest::read(&directory, filename)?;
        let _in_use = directory.take()?;
        let _slot = lock::backup(host)?;
        let archive = manifest.verified(&directory, filename, deadline)?;
        let (mut restored, mut warnings) = (Vec::new(), Vec::new());
        let failed = |error| Problem::failed("the backup", error);
        let dumps = match kind.has_databases() && !manifest.databases.is_empty() {
            true => Dumps::in_backup(&directory, archive.try_clone().map_err(failed)?, &manifest, deadline)?,
            false => Dumps::default(),
        };
        if kind.has_files() {
            // The program that read the dumps has moved the position that both descriptors share.
            rustix::fs::seek(&archive, SeekFrom::Start(0)).map_err(|error| failed(error.into()))?;
            let merged = restore::files(&owner, archive, manifest.content_size, Selection::All, true, deadline)?;
            warnings.extend(merged.warnings());
            restored.push("files");
        }
        if kind.has_databases() {
            let (count, further) = dumps.restore(host, username, deadline)?;
            warnings.extend(further);
            if count > 0 {
                restored.push("databases");
            }
        }
        Ok(json!({"restored": restored, "warnings": warnings}))
    }
}
