//! `/backup/restore`: restores a backup as a whole.

use std::time::Duration;

use serde::Serialize;

use crate::helper::protocol::BACKUP;
use crate::problem::Problem;
use crate::request::backup::{BackupKind, BackupName};
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::Username;

/// Restores a backup, or part of what it contains.
#[derive(Serialize)]
pub struct RestoreBackup {
    /// The backup.
    pub filename: BackupName,
    /// The account.
    pub username: Username,
    /// What is restored.
    #[serde(rename = "type")]
    pub kind: BackupKind,
}

impl Operation for RestoreBackup {
    const PATHS: &'static [&'static str] = &["/backup/restore"];
    const WAITS_FOR_OTHERS: bool = true;
    const LONGEST: Duration = BACKUP;

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let (filename, username, kind) = (BackupName::field(fields)?, fields.username()?, BackupKind::parse(fields)?);
        filename.check_account(&username)?;
        let contained = filename.kind();
        if kind != contained && contained != BackupKind::Full {
            let rule = format!("must be {0}: this backup contains {0} only", contained.word());
            return Err(Problem::invalid("type", rule));
        }
        Ok(Self { filename, username, kind })
    }
}
