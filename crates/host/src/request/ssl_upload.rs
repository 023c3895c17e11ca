//! `/ssl/upload`: installs a certificate from another source.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::{Domain, Username, exposed};
use opterius_base::secret::Secret;

/// Installs an uploaded certificate.
#[derive(Serialize)]
pub struct UploadCertificate {
    /// The site.
    pub domain: Domain,
    /// The account that owns the site.
    pub username: Username,
    /// The certificate chain in PEM format, starting with the site's own certificate.
    pub certificate: String,
    /// The private key in PEM format.
    #[serde(serialize_with = "exposed")]
    pub private_key: Secret,
}

impl Operation for UploadCertificate {
    const PATHS: &'static [&'static str] = &["/ssl/upload"];
    const WAITS_FOR_OTHERS: bool = true;

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self {
            domain: fields.domain("domain")?,
            username: fields.username()?,
            certificate: pem(fields, "certificate")?,
            private_key: Secret::new(pem(fields, "private_key")?),
        })
    }
}

fn pem(fields: &Fields, field: &str) -> Result<String, Problem> {
    let text = fields.text(field)?;
    if text.contains("-----BEGIN ") {
        Ok(text.to_owned())
    } else {
        Err(Problem::invalid(field, "must be in PEM format (-----BEGIN …)"))
    }
}
