//! `/domains/create`: creates a site, and its account if it does not exist.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::{DocumentRoot, Domain, PhpVersion, Username};

/// Creates a site.
#[derive(Serialize)]
pub struct CreateSite {
    /// The site's domain.
    pub domain: Domain,
    /// The account that owns the site.
    pub username: Username,
    /// The directory with the site's files.
    pub document_root: DocumentRoot,
    /// The site's PHP version.
    pub php_version: PhpVersion,
    /// The parent site, which must exist. If set, no account is created.
    pub parent_domain: Option<Domain>,
}

impl Operation for CreateSite {
    const PATHS: &'static [&'static str] = &["/domains/create"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let username = fields.username()?;
        let parent = fields.optional_text("parent_domain")?;
        Ok(Self {
            domain: fields.site_domain("domain")?,
            document_root: DocumentRoot::parse("document_root", fields.text("document_root")?, &username)?,
            php_version: PhpVersion::parse("php_version", fields.text("php_version")?)?,
            parent_domain: parent.map(|parent| Domain::parse("parent_domain", parent)).transpose()?,
            username,
        })
    }
}
