//! `/ssl/delete`: deletes a site's certificate.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::{Domain, Username};

/// Deletes a certificate.
#[derive(Serialize)]
pub struct DeleteCertificate {
    /// The site.
    pub domain: Domain,
    /// The account that owns the site, if the Panel sent it.
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
