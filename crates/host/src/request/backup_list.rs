//! `/backup/list`: lists the backups of all accounts.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;

/// Lists all backups.
#[derive(Serialize)]
pub struct ListBackups {}

impl Operation for ListBackups {
    const PATHS: &'static [&'static str] = &["/backup/list"];

    fn parse(_: &Fields) -> Result<Self, Problem> {
        Ok(Self {})
    }
}
