//! `/backup/delete`: deletes a backup.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::backup::BackupName;
use crate::request::fields::Fields;
use crate::request::operation::Operation;

/// Deletes a backup.
#[derive(Serialize)]
pub struct DeleteBackup {
    /// The backup.
    pub filename: BackupName,
}

impl Operation for DeleteBackup {
    const PATHS: &'static [&'static str] = &["/backup/delete"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self { filename: BackupName::field(fields)? })
    }
}
