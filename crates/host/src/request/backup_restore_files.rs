//! `/backup/restore-files`: restores some files of a backup.

use std::time::Duration;

use serde::Serialize;

use crate::helper::protocol::BACKUP;
use crate::problem::Problem;
use crate::request::backup::BackupName;
use crate::request::fields::Fields;
use crate::request::home_path::HomePath;
use crate::request::operation::Operation;
use crate::request::values::Username;

/// The most files and directories of one request.
const MAX_FILES: usize = 200;

/// Restores files and directories to where they were.
#[derive(Serialize)]
pub struct RestoreFiles {
    /// The backup.
    pub filename: BackupName,
    /// The account.
    pub username: Username,
    /// The document root of the site for which the Panel asks. Files go where they were, which their paths say.
    pub document_root: HomePath,
    /// Where they are, in the home.
    pub files: Vec<HomePath>,
    /// Whether existing files are replaced.
    pub overwrite: bool,
}

impl Operation for RestoreFiles {
    const PATHS: &'static [&'static str] = &["/backup/restore-files"];
    const WAITS_FOR_OTHERS: bool = true;
    const LONGEST: Duration = BACKUP;

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let (filename, username) = (BackupName::field(fields)?, fields.username()?);
        filename.check_account(&username)?;
        let document_root = HomePath::parse("document_root", fields.text("document_root")?, &username)?;
        let files = fields.texts("files", MAX_FILES, |text| HomePath::parse("files", text, &username))?;
        if files.is_empty() {
            return Err(Problem::invalid("files", "must not be empty"));
        }
        if files.iter().any(|file| file.from_home().is_empty()) {
            return Err(Problem::invalid("files", "must not contain the home itself: restore the backup as a whole"));
        }
        Ok(Self { filename, username, document_root, files, overwrite: fields.boolean("overwrite")? })
    }
}
