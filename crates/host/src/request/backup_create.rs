//! `/backup/create`: makes a backup of an account.

use std::time::Duration;

use serde::Serialize;

use crate::helper::protocol::BACKUP;
use crate::problem::Problem;
use crate::request::backup::BackupKind;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::Username;

/// Makes a backup. Which databases belong to the account, the Agent knows itself.
#[derive(Serialize)]
pub struct CreateBackup {
    /// The account.
    pub username: Username,
    /// What the backup contains.
    #[serde(rename = "type")]
    pub kind: BackupKind,
}

impl Operation for CreateBackup {
    const PATHS: &'static [&'static str] = &["/backup/create"];
    const WAITS_FOR_OTHERS: bool = true;
    const LONGEST: Duration = BACKUP;

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self { username: fields.username()?, kind: BackupKind::parse(fields)? })
    }
}
