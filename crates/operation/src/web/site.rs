//! What a site is, and how one is found: by the first line of its nginx file.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::servers::nginx::{self, Place};
use opterius_base::clock::Timestamp;
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::problem::Problem;
use opterius_host::request::values::{Domain, PhpVersion, Username};
use opterius_host::sites::site_record;

/// Begins the first line of a file that is ours; what follows is the site in JSON.
pub const MARK: &str = "# opterius-agent: ";

/// What a site is. Its nginx file carries this in its first line, so the file alone tells everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Its domain.
    pub domain: Domain,
    /// Whose it is.
    pub username: Username,
    /// Where its files are, from the home.
    pub document_root: String,
    /// The PHP that was asked for.
    pub php_version: PhpVersion,
    /// The site that it belongs to.
    pub parent_domain: Option<Domain>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What stands at the place of a site's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A site of ours.
    Ours(Site),
    /// A file that somebody else has written. It is never written to.
    Foreign,
}

impl Site {
    /// What stands at the place of the domain's file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn look(host: &Host, domain: &Domain) -> Result<Found, Problem> {
        let file = Self::place(host, domain).file;
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
            text => text.map_err(|error| Problem::at(&file, error))?,
        };
        let marked = text.lines().next().and_then(|line| line.strip_prefix(MARK));
        let site = marked.and_then(|json| serde_json::from_str::<Self>(json).ok());
        Ok(site.filter(|site| site.domain == *domain).map_or(Found::Foreign, Found::Ours))
    }

    /// The site of a domain.
    ///
    /// # Errors
    /// There is none, or its file is not ours.
    pub fn find(host: &Host, domain: &Domain) -> Result<Self, Problem> {
        match Self::look(host, domain)? {
            Found::Ours(site) => Ok(site),
            Found::Nothing => Err(Problem::NotFound(format!("There is no site “{domain}” on this server."))),
            Found::Foreign => Err(Problem::Conflict(format!(
                "The file {} was not written by this Agent, and it leaves such files as they are. Change it by hand.",
                Self::place(host, domain).file.display()
            ))),
        }
    }

    /// The same, when it belongs to `username`.
    ///
    /// # Errors
    /// There is none, or it is another account's.
    pub fn find_of(host: &Host, domain: &Domain, username: &Username) -> Result<Self, Problem> {
        let site = Self::find(host, domain)?;
        if site.username == *username {
            Ok(site)
        } else {
            Err(Problem::Conflict(format!("The site “{domain}” belongs to another account.")))
        }
    }

    /// All sites of an account that are ours, ordered by domain.
    pub fn all_of(host: &Host, username: &Username) -> Vec<Self> {
        let record = site_record::read_all(host).into_iter().filter(|record| record.username == *username);
        record.filter_map(|record| Self::find_of(host, &record.domain, username).ok()).collect()
    }

    /// Where a domain's file is.
    pub fn place(host: &Host, domain: &Domain) -> Place {
        nginx::place(host, &format!("{domain}.conf"))
    }

    /// Where its files are, as the Panel and the system know it.
    pub fn absolute_document_root(&self) -> String {
        format!("/home/{}/{}", self.username, self.document_root)
    }

    /// Where its logs are.
    pub fn logs(&self, host: &Host) -> PathBuf {
        host.path(layout::LOGS).join(self.domain.as_str())
    }

    /// The names that it answers to. `www` belongs to a site of its own level, unless it is another site.
    pub fn names(&self, host: &Host) -> Vec<String> {
        let mut names = vec![self.domain.to_string()];
        if self.parent_domain.is_none()
            && let Ok(www) = Domain::parse("domain", &format!("www.{}", self.domain))
            && matches!(Self::look(host, &www), Ok(Found::Nothing))
        {
            names.push(www.to_string());
        }
        names
    }
}
