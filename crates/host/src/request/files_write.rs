//! `/files/write`: writes a text file in an account's home.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::home_path::HomePath;
use crate::request::operation::Operation;
use crate::request::values::Username;

/// Writes a file: a new one, or in the place of one.
#[derive(Serialize)]
pub struct WriteFile {
    /// The account.
    pub username: Username,
    /// The file.
    pub path: HomePath,
    /// All of its content.
    pub content: String,
}

impl Operation for WriteFile {
    const PATHS: &'static [&'static str] = &["/files/write"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let username = fields.username()?;
        let path = HomePath::parse("path", fields.text("path")?, &username)?;
        Ok(Self { username, path, content: fields.text_or_null("content")?.to_owned() })
    }
}
