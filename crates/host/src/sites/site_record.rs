//! What anybody in the Agent may know of a site without asking the helper: one file for each, written by root and readable
//! for the Agent, which answers `/ssl/status` and the list of accounts from them. They can always be made anew from the
//! site's file, its certificate and its account.

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

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// What is known of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteRecord {
    /// Its domain.
    pub domain: Domain,
    /// Whose it is.
    pub username: Username,
    /// The names that it answers to.
    pub names: Vec<String>,
    /// Where its files are, as the Panel knows it.
    pub document_root: String,
    /// The PHP that was asked for.
    pub php_version: Option<String>,
    /// The site that it belongs to.
    pub parent_domain: Option<Domain>,
    /// Whether its file is ours.
    pub managed: bool,
    /// Whether it answers 503 because its account is suspended.
    pub suspended: bool,
    /// When it was made, if that is known.
    pub created_at: Option<Timestamp>,
    /// The certificate that it is served with.
    pub certificate: Option<Certificate>,
    /// How the last issue went.
    pub issue: Option<Issue>,
}

/// What is known of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Where it comes from.
    pub source: Source,
    /// Who has issued it.
    pub issuer: String,
    /// Until when it is good.
    pub not_after: Timestamp,
    /// The names that it is good for.
    pub names: Vec<String>,
}

/// Where a certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// certbot has it, and renews it.
    Acme,
    /// Somebody has uploaded it.
    Upload,
}

/// How an issue went, or goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// How far it is.
    pub state: IssueState,
    /// Why it failed.
    pub reason: Option<String>,
    /// When that was.
    pub at: Timestamp,
}

/// How far an issue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueState {
    /// certbot is at it.
    Running,
    /// It has the certificate.
    Issued,
    /// It has none; the reason says why.
    Failed,
}

impl SiteRecord {
    /// A site of which nothing else is known.
    pub fn of(domain: Domain, username: Username) -> Self {
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

/// What is known of one site; none when nothing is, or when the file is damaged.
pub fn read(host: &Host, domain: &Domain) -> Option<SiteRecord> {
    let path = path(host, domain);
    let metadata = fs::metadata(&path).ok().filter(|metadata| metadata.len() <= MAX_FILE)?;
    let text = metadata.is_file().then(|| fs::read(&path).ok()).flatten()?;
    serde_json::from_slice(&text).ok()
}

/// What is known of all sites, ordered by domain.
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

/// Publishes what is known of a site.
///
/// # Errors
/// It cannot be written.
pub fn publish(host: &Host, record: &SiteRecord, register: &Register) -> Result<(), Problem> {
    let failed = |error: std::io::Error| Problem::failed(&format!("the published facts of {}", record.domain), error);
    let bytes = serde_json::to_vec(record).map_err(|error| failed(error.into()))?;
    let group = register.group(layout::AGENT_GROUP).map(|group| group.gid);
    files::replace(&path(host, &record.domain), &bytes, FileMode { mode: 0o640, group }).map_err(failed)
}

/// Forgets a site.
///
/// # Errors
/// The file cannot be deleted.
pub fn forget(host: &Host, domain: &Domain) -> Result<(), Problem> {
    match fs::remove_file(path(host, domain)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Problem::failed(&format!("the published facts of {domain}"), error))
        }
        _ => Ok(()),
    }
}
