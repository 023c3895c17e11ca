//! `/domains/create`: a site, and with it the account unless there is one.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::{DocumentRoot, Domain, PhpVersion, Username};

/// A site to be made.
#[derive(Serialize)]
pub struct CreateSite {
    /// Its domain.
    pub domain: Domain,
    /// Whose it is.
    pub username: Username,
    /// Where its files are.
    pub document_root: DocumentRoot,
    /// The PHP that it runs with.
    pub php_version: PhpVersion,
    /// The site that it belongs to. It has to be there, and no account is made.
    pub parent_domain: Option<Domain>,
}

impl Operation for CreateSite {
    const PATHS: &'static [&'static str] = &["/domains/create"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let username = fields.username()?;
        let parent = fields.optional_text("parent_domain")?;
        Ok(Self {
            domain: fields.domain("domain")?,
            document_root: DocumentRoot::parse("document_root", fields.text("document_root")?, &username)?,
            php_version: PhpVersion::parse("php_version", fields.text("php_version")?)?,
            parent_domain: parent.map(|parent| Domain::parse("parent_domain", parent)).transpose()?,
            username,
        })
    }
}
