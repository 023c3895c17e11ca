//! `/ssl/issue`, and `/ssl/issue-async` for one that waits its turn: a certificate is issued by the certificate authority.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::{Domain, Email, Username};

/// A certificate to be issued.
#[derive(Serialize)]
pub struct IssueCertificate {
    /// The site.
    pub domain: Domain,
    /// Whom the certificate authority may write to.
    pub email: Email,
    /// Whose the site is, where the Panel says so.
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
