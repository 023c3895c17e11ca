//! Published records of sites: one file per site, written by root and readable by the Agent, which answers
//! `/ssl/status` and the list of accounts from them without calling the helper.
//!
//! They are copies: which sites exist, and whose they are, is decided by the nginx files alone. A damaged record is an
//! error, never a site that does not exist; the next change of any site rebuilds it. Every text in a record is bounded
//! before it is written, so that the reader accepts whatever the writer publishes.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::layout;
use crate::problem::Problem;
use crate::request::values::{Domain, Username};
use crate::users::register::Register;
use opterius_base::clock::Timestamp;
use opterius_base::files::{self, FileMode};

/// The most names that an uploaded certificate may have, and that a record lists: 100, as many as a certificate of Let's
/// Encrypt has.
pub const MAX_NAMES: usize = 100;

/// Longest name in a record, in bytes: the longest domain name.
const MAX_NAME: usize = 253;

/// Longest other text in a record, in characters.
const MAX_TEXT: usize = 1024;

/// Largest number of warnings in a list.
const MAX_WARNINGS: usize = 5;

/// Largest record, in bytes: two lists of names and the texts, each byte of them escaped as JSON does it (`\u0000`), with
/// room for the rest. A test holds the limits together.
const MAX_FILE: u64 = 512 * 1024;

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
    /// What is wrong with its chain.
    #[serde(default)]
    pub warnings: Vec<String>,
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
    /// What works but for a part, such as a name that the certificate does not cover.
    #[serde(default)]
    pub warnings: Vec<String>,
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

impl SiteRecord {
    /// This record with all lists and texts within the limits.
    #[must_use]
    pub fn bounded(&self) -> Self {
        let names = |names: &[String]| {
            names.iter().filter(|name| name.len() <= MAX_NAME).take(MAX_NAMES).cloned().collect::<Vec<_>>()
        };
        let text = |text: &String| text.chars().take(MAX_TEXT).collect::<String>();
        let warnings = |warnings: &[String]| warnings.iter().take(MAX_WARNINGS).map(text).collect::<Vec<_>>();
        Self {
            names: names(&self.names),
            document_root: text(&self.document_root),
            php_version: self.php_version.as_ref().map(text),
            certificate: self.certificate.as_ref().map(|certificate| Certificate {
                issuer: text(&certificate.issuer),
                names: names(&certificate.names),
                warnings: warnings(&certificate.warnings),
                ..certificate.clone()
            }),
            issue: self.issue.as_ref().map(|issue| Issue {
                reason: issue.reason.as_ref().map(text),
                warnings: warnings(&issue.warnings),
                ..issue.clone()
            }),
            ..self.clone()
        }
    }

    /// The content of the record's file.
    ///
    /// # Errors
    /// Serialization failed, which does not happen with our own types.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(&self.bounded())?)
    }

    /// Parses the content of the record's file of `domain`.
    ///
    /// # Errors
    /// It is not a record of this domain.
    pub fn parse(bytes: &[u8], domain: &Domain) -> io::Result<Self> {
        let record: Self = serde_json::from_slice(bytes)?;
        if record.domain == *domain { Ok(record) } else { Err(io::Error::other("it is the record of another site")) }
    }
}

fn path(host: &Host, domain: &Domain) -> PathBuf {
    host.path(layout::PUBLISHED).join(format!("{domain}.json"))
}

/// The record of one site; none if it has none.
///
/// # Errors
/// The record is damaged or cannot be read.
pub fn read(host: &Host, domain: &Domain) -> Result<Option<SiteRecord>, Problem> {
    let path = path(host, domain);
    match files::read(&path, MAX_FILE).and_then(|bytes| SiteRecord::parse(&bytes, domain)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(|error| damaged(&path, &error)),
    }
}

fn damaged(path: &Path, error: &io::Error) -> Problem {
    Problem::Failed(format!(
        "The published record {} cannot be read: {error}. To rebuild it, run: opterius-agent operation adopt",
        path.display()
    ))
}

/// The published records of all sites.
#[derive(Debug, Default)]
pub struct Published {
    /// The records, sorted by domain.
    pub records: Vec<SiteRecord>,
    /// Each record that cannot be read, with the reason.
    pub damaged: Vec<(Domain, Problem)>,
}

/// Reads the records of all sites.
///
/// # Errors
/// The directory cannot be read.
pub fn read_all(host: &Host) -> Result<Published, Problem> {
    let directory = host.path(layout::PUBLISHED);
    let entries = match fs::read_dir(&directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Published::default()),
        entries => entries.map_err(|error| Problem::at(&directory, error))?,
    };
    let domains = entries.flatten().filter_map(|entry| {
        let name = entry.file_name();
        Domain::parse("domain", name.to_str()?.strip_suffix(".json")?).ok()
    });
    let mut domains: Vec<Domain> = domains.collect();
    domains.sort();
    let mut published = Published::default();
    for domain in domains {
        match read(host, &domain) {
            Ok(record) => published.records.extend(record),
            Err(problem) => published.damaged.push((domain, problem)),
        }
    }
    Ok(published)
}

/// Writes the record of a site.
///
/// # Errors
/// The file cannot be written.
pub fn publish(host: &Host, record: &SiteRecord, register: &Register) -> Result<(), Problem> {
    let failed = |error: io::Error| Problem::failed(&format!("the published record of {}", record.domain), error);
    let bytes = record.to_bytes().map_err(failed)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str, count: usize) -> SiteRecord {
        let domain = Domain::parse("domain", "a.example").unwrap();
        let names = vec![text.to_owned(); count];
        let certificate = Certificate {
            source: Source::Upload,
            issuer: text.to_owned(),
            not_after: Timestamp::from_unix(4_102_444_800),
            names: names.clone(),
            warnings: names.clone(),
        };
        let issue = Issue {
            state: IssueState::Failed,
            reason: Some(text.to_owned()),
            at: certificate.not_after,
            warnings: names.clone(),
        };
        SiteRecord {
            names,
            document_root: text.to_owned(),
            php_version: Some(text.to_owned()),
            certificate: Some(certificate),
            issue: Some(issue),
            ..SiteRecord::new(domain, Username::parse("username", "alice").unwrap())
        }
    }

    /// Of every length, and of the characters that JSON escapes most.
    #[test]
    fn whatever_is_written_is_read_back() {
        for text in ["", "a", "\0", "\u{10ffff}", "\u{fffd}", "\\\"\n", "ä"] {
            for repeated in [1, 60, 126, 253, 254, 1024, 5000] {
                for count in [0, 1, 100, 101, 22_500].into_iter().filter(|count| repeated * count <= 600_000) {
                    let record = record(&text.repeat(repeated), count);
                    let bytes = record.to_bytes().unwrap();
                    assert!(u64::try_from(bytes.len()).unwrap() <= MAX_FILE, "{text:?} {repeated} {count}");
                    assert_eq!(SiteRecord::parse(&bytes, &record.domain).unwrap(), record.bounded());
                }
            }
        }
    }

    #[test]
    fn a_damaged_record_is_not_a_missing_one() {
        let domain = Domain::parse("domain", "b.example").unwrap();
        for bytes in [&b""[..], b"{", b"null", b"\xff", &record("a", 1).to_bytes().unwrap()] {
            assert!(SiteRecord::parse(bytes, &domain).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
