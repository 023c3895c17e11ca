//! `/domains/alias-remove`: takes an alias away from a site.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::Domain;

/// Removes an alias from a site.
#[derive(Serialize)]
pub struct RemoveAlias {
    /// The site.
    pub domain: Domain,
    /// The alias.
    pub alias_domain: Domain,
}

impl Operation for RemoveAlias {
    const PATHS: &'static [&'static str] = &["/domains/alias-remove"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self { domain: fields.domain("domain")?, alias_domain: fields.domain("alias_domain")? })
    }
}
