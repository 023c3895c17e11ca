//! `/ssl/issue`, and `/ssl/issue-async` for a queued request: gets a certificate from the certificate authority.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::{Domain, Email, Username};

/// Gets a certificate from the certificate authority.
#[derive(Serialize)]
pub struct IssueCertificate {
    /// The site.
    pub domain: Domain,
    /// The contact address for the certificate authority.
    pub email: Email,
    /// The account that owns the site, if the Panel sent it.
    pub username: Option<Username>,
}

impl Operation for IssueCertificate {
    const PATHS: &'static [&'static str] = &["/ssl/issue", "/ssl/issue-async"];
    const WAITS_FOR_OTHERS: bool = true;

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self {
            domain: fields.domain("domain")?,
            email: Email::parse("email", fields.text("email")?)?,
            username: fields.optional_username()?,
        })
    }
}
