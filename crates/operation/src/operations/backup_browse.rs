//! `/backup/browse`: lists a directory of the files in a backup.

use serde_json::{Value, json};

use crate::backups::browse::{self, MAX_LISTED};
use crate::backups::directory::BackupDirectory;
use crate::perform::{Context, Perform};
use opterius_host::problem::Problem;
use opterius_host::request::backup_browse::BrowseBackup;

impl Perform for BrowseBackup {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { filename, path } = self;
        if !filename.kind().has_files() {
            return Err(Problem::Conflict("This backup contains databases only, and no files.".to_owned()));
        }
        let directory = BackupDirectory::of(host, filename.username())?;
        let listing = browse::list(&directory, filename, path, deadline)?;
        let entry = |(name, (is_directory, size)): (&Vec<u8>, &(bool, u64))| {
            let name = String::from_utf8_lossy(name);
            let below = path.from_home();
            let slash = if below.is_empty() { "" } else { "/" };
            json!({"name": name, "path": format!("{below}{slash}{name}"), "is_dir": is_directory, "size": size})
        };
        let entries: Vec<Value> = listing.entries.iter().map(entry).collect();
        Ok(json!({"entries": entries, "truncated": listing.truncated, "limit": MAX_LISTED}))
    }
}
