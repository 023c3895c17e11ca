//! `GET /backup/download`: opens a backup, for the Agent to send it.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::backup::BackupName;
use crate::request::fields::Fields;
use crate::request::operation::Operation;

/// Opens a backup, which the helper returns beside its answer.
#[derive(Serialize)]
pub struct DownloadBackup {
    /// The backup.
    pub filename: BackupName,
}

impl Operation for DownloadBackup {
    const PATHS: &'static [&'static str] = &["/backup/download"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self { filename: BackupName::field(fields)? })
    }
}
