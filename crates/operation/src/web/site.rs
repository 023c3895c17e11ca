//! Sites. Each is stored in the first line of its nginx file.

use std::io::ErrorKind;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::servers::nginx::{self, SitePaths};
use opterius_base::clock::Timestamp;
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::lines;
use opterius_host::problem::Problem;
use opterius_host::request::values::{Domain, PhpVersion, Username};
use opterius_host::sites::site_record;

/// The start of the first line of a managed file, followed by the site in JSON.
pub const MARK: &str = "# opterius-agent: ";

/// A site. The first line of its nginx file contains it as JSON, so that no other database is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// The site's domain.
    pub domain: Domain,
    /// The account that owns the site.
    pub username: Username,
    /// The document root, relative to the home.
    pub document_root: String,
    /// The requested PHP version.
    pub php_version: PhpVersion,
    /// The parent site, if any.
    pub parent_domain: Option<Domain>,
    /// Creation time.
    pub created_at: Timestamp,
}

/// The state of a site's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SiteFile {
    /// The file does not exist.
    Missing,
    /// The file is managed by the Agent.
    Managed(Site),
    /// The file was written by someone else. The Agent never changes it.
    Unmanaged,
}

impl Site {
    /// Reads the domain's file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(host: &Host, domain: &Domain) -> Result<SiteFile, Problem> {
        let file = Self::place(host, domain).file;
        let bytes = match lines::read(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(SiteFile::Missing),
            bytes => bytes.map_err(|error| Problem::at(&file, error))?,
        };
        Ok(Self::parse(&bytes).filter(|site| site.domain == *domain).map_or(SiteFile::Unmanaged, SiteFile::Managed))
    }

    /// The site in the first line of a managed file; the rest can be any bytes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let marked = lines::of(bytes).next()?.strip_prefix(MARK.as_bytes())?;
        serde_json::from_slice(marked).ok()
    }

    /// The site of a domain.
    ///
    /// # Errors
    /// The site does not exist, or its file is not managed.
    pub fn find(host: &Host, domain: &Domain) -> Result<Self, Problem> {
        match Self::read(host, domain)? {
            SiteFile::Managed(site) => Ok(site),
            SiteFile::Missing => Err(Problem::NotFound(format!("The site “{domain}” does not exist on this server."))),
            SiteFile::Unmanaged => Err(Problem::Conflict(format!(
                "The file {} was not created by the Agent, which therefore does not change it. Edit it manually.",
                Self::place(host, domain).file.display()
            ))),
        }
    }

    /// The site of a domain, which must belong to `username`.
    ///
    /// # Errors
    /// The site does not exist, or belongs to another account.
    pub fn find_of(host: &Host, domain: &Domain, username: &Username) -> Result<Self, Problem> {
        let site = Self::find(host, domain)?;
        if site.username == *username {
            Ok(site)
        } else {
            Err(Problem::Conflict(format!("The site “{domain}” belongs to another account.")))
        }
    }

    /// All managed sites of an account, sorted by domain.
    pub fn all_of(host: &Host, username: &Username) -> Vec<Self> {
        let record = site_record::read_all(host).into_iter().filter(|record| record.username == *username);
        record.filter_map(|record| Self::find_of(host, &record.domain, username).ok()).collect()
    }

    /// The paths of a domain's file and link.
    pub fn place(host: &Host, domain: &Domain) -> SitePaths {
        nginx::place(host, &format!("{domain}.conf"))
    }

    /// The absolute path of the document root.
    pub fn absolute_document_root(&self) -> String {
        format!("/home/{}/{}", self.username, self.document_root)
    }

    /// The directory of the site's logs.
    pub fn logs(&self, host: &Host) -> PathBuf {
        host.path(layout::LOGS).join(self.domain.as_str())
    }

    /// The names that the site answers to: its domain, and `www` for a site without a parent, unless `www` is a
    /// separate site.
    pub fn names(&self, host: &Host) -> Vec<String> {
        let mut names = vec![self.domain.to_string()];
        if self.parent_domain.is_none()
            && let Ok(www) = Domain::parse("domain", &format!("www.{}", self.domain))
            && matches!(Self::read(host, &www), Ok(SiteFile::Missing))
        {
            names.push(www.to_string());
        }
        names
    }
}
