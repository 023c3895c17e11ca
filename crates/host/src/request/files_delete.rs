//! `/files/delete`: deletes a file, a link, or a directory with everything in it.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::home_path::HomePath;
use crate::request::operation::Operation;
use crate::request::values::Username;

/// Deletes a file or a directory.
#[derive(Serialize)]
pub struct DeleteFile {
    /// The account.
    pub username: Username,
    /// What to delete.
    pub path: HomePath,
}

impl Operation for DeleteFile {
    const PATHS: &'static [&'static str] = &["/files/delete"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let username = fields.username()?;
        let path = HomePath::parse("path", fields.text("path")?, &username)?;
        Ok(Self { username, path })
    }
}
