//! `/backup/restore`: restores a backup as a whole. Files that are not in the backup stay.

use rustix::fs::SeekFrom;
use serde_json::{Value, json};

use crate::backups::databases::Dumps;
use crate::backups::restore::{self, Selection};
use crate::perform::{Context, Perform};
use opterius_host::problem::Problem;
use opterius_host::request::backup_restore::RestoreBackup;

impl Perform for RestoreBackup {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { filename, username, kind } = self;
        let backup = restore::open(host, username, filename, deadline)?;
        let (manifest, archive) = (&backup.manifest, &backup.archive);
        let (mut restored, mut warnings) = (Vec::new(), Vec::new());
        let failed = |error| Problem::failed("the backup", error);
        let dumps = match kind.has_databases() && !manifest.databases.is_empty() {
            true => Dumps::in_backup(&backup.directory, archive.try_clone().map_err(failed)?, manifest, deadline)?,
            false => Dumps::default(),
        };
        if kind.has_files() {
            // The program that read the dumps has moved the position that both descriptors share.
            rustix::fs::seek(archive, SeekFrom::Start(0)).map_err(|error| failed(error.into()))?;
            let archive = archive.try_clone().map_err(failed)?;
            let merged = restore::files(&backup.owner, archive, manifest, Selection::All, true, deadline)?;
            warnings.extend(merged.warnings());
            restored.push("files");
        }
        if kind.has_databases() {
            let (count, further) =
                dumps.restore(host, username, deadline).map_err(|problem| match restored.is_empty() {
                    true => problem,
                    false => problem.after("The files are restored, and not all databases."),
                })?;
            warnings.extend(further);
            if count > 0 {
                restored.push("databases");
            }
        }
        Ok(json!({"restored": restored, "warnings": warnings}))
    }
}
