//! `/files/rename`: gives a file or directory another name in the same directory.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::home_path::{FileName, HomePath};
use crate::request::operation::Operation;
use crate::request::values::Username;

/// Renames a file or directory.
#[derive(Serialize)]
pub struct RenameFile {
    /// The account.
    pub username: Username,
    /// What to rename.
    pub path: HomePath,
    /// Its new name.
    pub new_name: FileName,
}

impl Operation for RenameFile {
    const PATHS: &'static [&'static str] = &["/files/rename"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let username = fields.username()?;
        let path = HomePath::parse("path", fields.text("path")?, &username)?;
        Ok(Self { username, path, new_name: FileName::parse("new_name", fields.text("new_name")?)? })
    }
}
