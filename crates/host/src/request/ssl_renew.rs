//! `/ssl/renew`: renews a certificate now.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::Domain;

/// Renews a certificate.
#[derive(Serialize)]
pub struct RenewCertificate {
    /// The site.
    pub domain: Domain,
}

impl Operation for RenewCertificate {
    const PATHS: &'static [&'static str] = &["/ssl/renew"];
    const WAITS_FOR_OTHERS: bool = true;

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self { domain: fields.domain("domain")? })
    }
}
