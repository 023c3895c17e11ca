//! `/domains/toggle-htaccess`: would switch between nginx alone and Apache behind it.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::{Domain, Username};

/// Asks for `.htaccess` files to be read, or not to be.
#[derive(Serialize)]
pub struct ToggleHtaccess {
    /// The site.
    pub domain: Domain,
    /// The account that owns the site.
    pub username: Username,
    /// Whether they should be read.
    pub htaccess_enabled: bool,
}

impl Operation for ToggleHtaccess {
    const PATHS: &'static [&'static str] = &["/domains/toggle-htaccess"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self {
            domain: fields.domain("domain")?,
            username: fields.username()?,
            htaccess_enabled: fields.boolean("htaccess_enabled")?,
        })
    }
}
