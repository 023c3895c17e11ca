//! `/files/read`: reads a text file in an account's home.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::home_path::HomePath;
use crate::request::operation::Operation;
use crate::request::values::Username;

/// Reads a text file.
#[derive(Serialize)]
pub struct ReadFile {
    /// The account.
    pub username: Username,
    /// The file.
    pub path: HomePath,
}

impl Operation for ReadFile {
    const PATHS: &'static [&'static str] = &["/files/read"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let username = fields.username()?;
        let path = HomePath::parse("path", fields.text("path")?, &username)?;
        Ok(Self { username, path })
    }
}
