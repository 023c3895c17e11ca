//! `/php/switch-version`: runs a site with another version of PHP.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::{Domain, PhpVersion, Username};

/// Switches the version of a site. What it has now is read from the site itself.
#[derive(Serialize)]
pub struct SwitchPhpVersion {
    /// The site.
    pub domain: Domain,
    /// The account that owns the site.
    pub username: Username,
    /// The version to switch to.
    pub new_version: PhpVersion,
}

impl Operation for SwitchPhpVersion {
    const PATHS: &'static [&'static str] = &["/php/switch-version"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self {
            domain: fields.domain("domain")?,
            username: fields.username()?,
            new_version: PhpVersion::parse("new_version", fields.text("new_version")?)?,
        })
    }
}
