//! `GET /backup/download`: opens a backup, for the Agent to send it.

use std::fs::File;

use serde_json::{Value, json};

use crate::backups::directory::BackupDirectory;
use crate::backups::manifest::Manifest;
use crate::perform::{Context, Perform};
use opterius_host::problem::Problem;
use opterius_host::request::backup_download::DownloadBackup;

impl Perform for DownloadBackup {
    fn perform(&self, Context { host, files, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { filename } = self;
        let directory = BackupDirectory::of(host, filename.username())?;
        let manifest = Manifest::read(&directory, filename)?;
        let path = directory.archive(filename);
        let archive = File::open(&path).map_err(|error| Problem::at(&path, error))?;
        files.returned.replace(vec![archive.into()]);
        Ok(json!({"filename": filename, "size": manifest.size, "sha256": manifest.sha256}))
    }
}
