//! Published records of sites: one file per site, written by root and readable by the Agent, which answers
//! `/ssl/status` and the list of accounts from them without calling the helper. They can always be regenerated from the
//! site's nginx file, its certificate and its account.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::layout;
use crate::problem::Problem;
use crate::request::values::{Domain, Username};
use crate::users::register::Register;
use opterius_base::clock::Timestamp;
use opterius_base::files::{self, FileMode};

/// Largest record, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// The published record of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteRecord {
    /// The site's domain.
    pub domain: Domain,
    /// The account that owns the site.
    pub username: Username,
    /// The names that the site answers to.
    pub names: Vec<String>,
    /// The document root, as the Panel sent it.
    pub document_root: String,
    /// The requested PHP version.
    pub php_version: Option<String>,
    /// The parent site, if any.
    pub parent_domain: Option<Domain>,
    /// Whether the Agent manages its nginx file.
    pub managed: bool,
    /// Whether the site answers 503 because its account is suspended.
    pub suspended: bool,
    /// Creation time, if known.
    pub created_at: Option<Timestamp>,
    /// The certificate in use.
    pub certificate: Option<Certificate>,
    /// The last attempt to get a certificate.
    pub issue: Option<Issue>,
}

/// Facts about a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// How the certificate was obtained.
    pub source: Source,
    /// The issuer's distinguished name.
    pub issuer: String,
    /// Expiry.
    pub not_after: Timestamp,
    /// The names that it is valid for.
    pub names: Vec<String>,
}

/// How a certificate was obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Issued through certbot, which renews it.
    Acme,
    /// Uploaded.
    Upload,
}

/// An attempt to get a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// Its state.
    pub state: IssueState,
    /// Why it failed.
    pub reason: Option<String>,
    /// When it reached this state.
    pub at: Timestamp,
}

/// The state of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueState {
    /// certbot is running.
    Running,
    /// The certificate was issued.
    Issued,
    /// No certificate was issued; see the reason.
    Failed,
}

impl SiteRecord {
    /// A record with nothing but the domain and the account.
    pub fn new(domain: Domain, username: Username) -> Self {
        Self {
            domain,
            username,
            names: Vec::new(),
            document_root: String::new(),
            php_version: None,
            parent_domain: None,
            managed: false,
            suspended: false,
            created_at: None,
            certificate: None,
            issue: None,
        }
    }
}

fn path(host: &Host, domain: &Domain) -> PathBuf {
    host.path(layout::PUBLISHED).join(format!("{domain}.json"))
}

/// The record of one site; none if it does not exist or is damaged.
pub fn read(host: &Host, domain: &Domain) -> Option<SiteRecord> {
    let path = path(host, domain);
    let metadata = fs::metadata(&path).ok().filter(|metadata| metadata.len() <= MAX_FILE)?;
    let text = metadata.is_file().then(|| fs::read(&path).ok()).flatten()?;
    serde_json::from_slice(&text).ok()
}

/// The records of all sites, sorted by domain.
pub fn read_all(host: &Host) -> Vec<SiteRecord> {
    let entries = fs::read_dir(host.path(layout::PUBLISHED)).into_iter().flatten().flatten();
    let domains = entries.filter_map(|entry| {
        let name = entry.file_name();
        Domain::parse("domain", name.to_str()?.strip_suffix(".json")?).ok()
    });
    let mut domains: Vec<Domain> = domains.collect();
    domains.sort();
    domains.iter().filter_map(|domain| read(host, domain)).collect()
}

/// Writes the record of a site.
///
/// # Errors
/// The file cannot be written.
pub fn publish(host: &Host, record: &SiteRecord, register: &Register) -> Result<(), Problem> {
    let failed = |error: std::io::Error| Problem::failed(&format!("the published record of {}", record.domain), error);
    let bytes = serde_json::to_vec(record).map_err(|error| failed(error.into()))?;
    let group = register.group(layout::AGENT_GROUP).map(|group| group.gid);
    files::replace(&path(host, &record.domain), &bytes, FileMode { mode: 0o640, group }).map_err(failed)
}

/// Deletes the record of a site.
///
/// # Errors
/// The file cannot be deleted.
pub fn forget(host: &Host, domain: &Domain) -> Result<(), Problem> {
    match fs::remove_file(path(host, domain)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Problem::failed(&format!("the published record of {domain}"), error))
        }
        _ => Ok(()),
    }
}
