//! `/domains/delete`: a site is taken away; its files stay.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::{Domain, Username};

/// A site to be taken away.
#[derive(Serialize)]
pub struct DeleteSite {
    /// Its domain.
    pub domain: Domain,
    /// Whose it is.
    pub username: Username,
}

impl Operation for DeleteSite {
    const PATHS: &'static [&'static str] = &["/domains/delete"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self { domain: fields.domain("domain")?, username: fields.username()? })
    }
}
