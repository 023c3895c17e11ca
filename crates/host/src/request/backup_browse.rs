//! `/backup/browse`: lists a directory of the files in a backup.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::backup::BackupName;
use crate::request::fields::Fields;
use crate::request::home_path::HomePath;
use crate::request::operation::Operation;

/// Lists a directory of a backup.
#[derive(Serialize)]
pub struct BrowseBackup {
    /// The backup.
    pub filename: BackupName,
    /// The directory, as a path in the account's home.
    pub path: HomePath,
}

impl Operation for BrowseBackup {
    const PATHS: &'static [&'static str] = &["/backup/browse"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let filename = BackupName::field(fields)?;
        let text = fields.optional_text("path")?.unwrap_or_default();
        // Browsers of files call the top of a backup a slash.
        let path = HomePath::parse("path", if text == "/" { "" } else { text }, filename.username())?;
        Ok(Self { filename, path })
    }
}
