//! `/files/archive`: compresses a file or directory, or unpacks an archive.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::home_path::HomePath;
use crate::request::operation::Operation;
use crate::request::values::Username;

/// Compresses or unpacks.
#[derive(Serialize)]
pub struct ArchiveFile {
    /// The account.
    pub username: Username,
    /// An archive to unpack, or anything else to compress.
    pub path: HomePath,
}

impl Operation for ArchiveFile {
    const PATHS: &'static [&'static str] = &["/files/archive"];

    // It takes as long as certificates do, and delays no account's creation either.
    const WAITS_FOR_OTHERS: bool = true;

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let username = fields.username()?;
        let path = HomePath::parse("path", fields.text("path")?, &username)?;
        Ok(Self { username, path })
    }
}
