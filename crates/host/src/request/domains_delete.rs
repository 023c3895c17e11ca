//! `/domains/delete`: deletes a site but not its files.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::{Domain, Username};

/// Deletes a site.
#[derive(Serialize)]
pub struct DeleteSite {
    /// The site's domain.
    pub domain: Domain,
    /// The account that owns the site.
    pub username: Username,
}

impl Operation for DeleteSite {
    const PATHS: &'static [&'static str] = &["/domains/delete"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self { domain: fields.domain("domain")?, username: fields.username()? })
    }
}
