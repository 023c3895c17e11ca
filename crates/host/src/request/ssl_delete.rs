//! `/ssl/delete`: a certificate is taken away.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::{Domain, Username};

/// A certificate to be taken away.
#[derive(Serialize)]
pub struct DeleteCertificate {
    /// Its site.
    pub domain: Domain,
    /// Whose the site is, where the Panel says so.
    pub username: Option<Username>,
}

impl Operation for DeleteCertificate {
    const PATHS: &'static [&'static str] = &["/ssl/delete"];
    const WAITS_FOR_OTHERS: bool = true;

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let username = fields.optional_username()?;
        Ok(Self { domain: fields.domain("domain")?, username })
    }
}
