//! `/php/list-versions`: the versions of PHP.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;

/// The versions of PHP.
#[derive(Serialize)]
pub struct ListPhpVersions {}

impl Operation for ListPhpVersions {
    const PATHS: &'static [&'static str] = &["/php/list-versions"];

    fn parse(_fields: &Fields) -> Result<Self, Problem> {
        Ok(Self {})
    }
}
