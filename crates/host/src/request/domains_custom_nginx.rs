//! `/domains/custom-nginx`: replaces the directives that the owner of a site has written for it.

use serde::Serialize;

use crate::nginx::custom::Custom;
use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::Domain;

/// Sets the directives of a site.
#[derive(Serialize)]
pub struct SetDirectives {
    /// The site.
    pub domain: Domain,
    /// The directives, all of which are allowed; empty to remove them.
    pub directives: String,
}

impl Operation for SetDirectives {
    const PATHS: &'static [&'static str] = &["/domains/custom-nginx"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let directives = match fields.optional_text("directives")? {
            // Missing is a mistake; null is PHP's empty string.
            None if !fields.has("directives") => return Err(Problem::invalid("directives", "is missing")),
            text => text.unwrap_or_default().to_owned(),
        };
        Custom::parse("directives", &directives)?;
        Ok(Self { domain: fields.domain("domain")?, directives })
    }
}
