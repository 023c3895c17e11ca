//! `/domains/protected-dir/add`: asks visitors of a directory for a password.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::{Fields, in_entry};
use crate::request::operation::Operation;
use crate::request::protected_directory::{DirectoryPath, Label, Visitor};
use crate::request::values::{DocumentRoot, Domain, Username};

/// The most visitors of a directory.
const MAX_VISITORS: usize = 500;

/// Protects a directory, or replaces who may enter it.
#[derive(Serialize)]
pub struct ProtectDirectory {
    /// The site.
    pub domain: Domain,
    /// The account that owns the site.
    pub username: Username,
    /// The directory with the site's files.
    pub document_root: DocumentRoot,
    /// The directory below it.
    pub path: DirectoryPath,
    /// What browsers show.
    pub label: Label,
    /// The users who may enter. Without any, the directory is closed.
    pub users: Vec<Visitor>,
}

impl Operation for ProtectDirectory {
    const PATHS: &'static [&'static str] = &["/domains/protected-dir/add"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let username = fields.username()?;
        let users = fields.objects("users", MAX_VISITORS, Visitor::parse)?;
        let mut names = BTreeSet::new();
        for (visitor, number) in users.iter().zip(1_usize..) {
            if !names.insert(&visitor.username) {
                let rule = "is there twice";
                return Err(in_entry("users", number, Problem::invalid("username", rule)));
            }
        }
        Ok(Self {
            domain: fields.domain("domain")?,
            document_root: DocumentRoot::parse("document_root", fields.text("document_root")?, &username)?,
            path: DirectoryPath::parse("path", fields.text("path")?)?,
            label: Label::of(fields.optional_text("label")?.unwrap_or_default()),
            users,
            username,
        })
    }
}
