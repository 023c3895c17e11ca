//! `/domains/alias-add`: adds a domain to which a site answers like to its own.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::Domain;

/// Adds an alias to a site.
#[derive(Serialize)]
pub struct AddAlias {
    /// The site.
    pub domain: Domain,
    /// The alias.
    pub alias_domain: Domain,
}

impl Operation for AddAlias {
    const PATHS: &'static [&'static str] = &["/domains/alias-add"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self { domain: fields.domain("domain")?, alias_domain: fields.site_domain("alias_domain")? })
    }
}
