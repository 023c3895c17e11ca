//! Sites. Each is stored in the first line of its nginx file, and those files are the register of sites: an operation finds
//! the sites of an account by reading all of them, in every directory where a site file of this host can be.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use log::warn;
use serde::{Deserialize, Serialize};

use crate::servers::nginx::{self, SitePaths};
use opterius_base::clock::Timestamp;
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::problem::Problem;
use opterius_host::request::php_settings::PhpSettings;
use opterius_host::request::values::{Domain, PhpVersion, Username};
use opterius_host::sites::mark;

/// The most aliases of a site. With the domain, each with its `www`, these are fewer names than a certificate can have, and
/// they fit into the first line.
pub const MAX_ALIASES: usize = 40;

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
    /// Further domains that it answers to, at most [`MAX_ALIASES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Domain>,
    /// The settings of PHP that its owner has changed.
    #[serde(default, skip_serializing_if = "PhpSettings::is_empty")]
    pub php_settings: PhpSettings,
}

/// The state of a site's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SiteFile {
    /// The file does not exist.
    Missing,
    /// The file is managed by the Agent.
    Managed(Site),
    /// The file was written by someone else. The Agent never changes it.
    Unmanaged(PathBuf),
}

/// What one file says about itself.
enum Found {
    Missing,
    Foreign,
    Site(Site),
    /// The file has our mark, but what follows it is not a site.
    Damaged,
}

impl Site {
    /// Reads the domain's file, wherever it is.
    ///
    /// # Errors
    /// The file cannot be read, or its first line is damaged.
    pub fn read(host: &Host, domain: &Domain) -> Result<SiteFile, Problem> {
        let mut state = SiteFile::Missing;
        for directory in nginx::directories(host) {
            let path = directory.join(file_name(domain));
            match found(&path, domain).map_err(|error| Problem::at(&path, error))? {
                Found::Missing => {}
                Found::Site(site) => return Ok(SiteFile::Managed(site)),
                Found::Damaged => return Err(damaged(&path)),
                Found::Foreign => state = SiteFile::Unmanaged(path),
            }
        }
        Ok(state)
    }

    /// The site in the first line of a managed file; the rest can be any bytes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(mark::after(bytes)?).ok()
    }

    /// The site of a domain.
    ///
    /// # Errors
    /// The site does not exist, or its file is not managed.
    pub fn find(host: &Host, domain: &Domain) -> Result<Self, Problem> {
        match Self::read(host, domain)? {
            SiteFile::Managed(site) => Ok(site),
            SiteFile::Missing => Err(Problem::NotFound(format!("The site “{domain}” does not exist on this server."))),
            SiteFile::Unmanaged(path) => Err(Problem::Conflict(format!(
                "The file {} was not created by the Agent, which therefore does not change it. Edit it manually.",
                path.display()
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
    ///
    /// # Errors
    /// A directory of site files cannot be read, or the first line of one of the account's files is damaged. A damaged file
    /// of another account is not an error.
    pub fn all_of(host: &Host, username: &Username) -> Result<Vec<Self>, Problem> {
        let Sites { mut sites, damaged: damaged_files } = Sites::read(host)?;
        let home = format!("/home/{username}/");
        if let Some(path) = damaged_files.iter().find(|path| mentions(path, &home)) {
            return Err(damaged(path));
        }
        sites.retain(|site| site.username == *username);
        Ok(sites)
    }

    /// Where a domain's file and link are written.
    pub fn place(host: &Host, domain: &Domain) -> SitePaths {
        nginx::place(host, &file_name(domain))
    }

    /// All files and links of this site, in every directory, so that none stays when the site moves or is deleted.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn paths(&self, host: &Host) -> Result<Vec<PathBuf>, Problem> {
        let mut paths = Vec::new();
        for directory in nginx::directories(host) {
            let path = directory.join(file_name(&self.domain));
            let is_link = fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink());
            match found(&path, &self.domain).map_err(|error| Problem::at(&path, error))? {
                Found::Site(_) | Found::Damaged => paths.push((is_link, path)),
                // A link to a file that is gone.
                Found::Missing if is_link => paths.push((is_link, path)),
                Found::Missing | Found::Foreign => {}
            }
        }
        // Links first: nginx must never see a link without its file.
        paths.sort_by_key(|(is_link, _)| !is_link);
        Ok(paths.into_iter().map(|(_, path)| path).collect())
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
    /// separate site; and the same of its aliases.
    pub fn names(&self, host: &Host) -> Vec<String> {
        self.possible_names()
            .filter(|(name, is_www)| {
                !is_www
                    || Domain::parse("domain", name)
                        .is_ok_and(|www| matches!(Self::read(host, &www), Ok(SiteFile::Missing)))
            })
            .map(|(name, _)| name)
            .collect()
    }

    /// Whether the site answers to this name, unless that is a separate site.
    pub fn claims(&self, name: &str) -> bool {
        self.possible_names().any(|(claimed, _)| claimed == name)
    }

    /// Its names, and whether each is a `www` that can be a separate site.
    fn possible_names(&self) -> impl Iterator<Item = (String, bool)> {
        let own = std::iter::once((&self.domain, self.parent_domain.is_none()));
        let aliases = self.aliases.iter().map(|alias| (alias, !alias.as_str().starts_with("www.")));
        own.chain(aliases).flat_map(|(domain, has_www)| {
            let www = has_www.then(|| (format!("www.{domain}"), true));
            std::iter::once((domain.to_string(), false)).chain(www)
        })
    }
}

/// The managed sites of a host.
#[derive(Debug, Default)]
pub struct Sites {
    /// The sites, sorted by domain.
    pub sites: Vec<Site>,
    /// Files with our mark whose first line is damaged.
    pub damaged: Vec<PathBuf>,
}

impl Sites {
    /// Reads the first line of every site file.
    ///
    /// # Errors
    /// A directory of site files exists but cannot be read. A file that cannot be read counts as damaged.
    pub fn read(host: &Host) -> Result<Self, Problem> {
        let mut all = Self::default();
        for directory in nginx::directories(host) {
            let entries = match fs::read_dir(&directory) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                entries => entries.map_err(|error| Problem::at(&directory, error))?,
            };
            for path in entries.flatten().map(|entry| entry.path()) {
                let Some(domain) = domain_of(&path) else { continue };
                match found(&path, &domain) {
                    Ok(Found::Site(site)) => all.sites.push(site),
                    Ok(Found::Missing | Found::Foreign) => {}
                    Ok(Found::Damaged) | Err(_) => all.damaged.push(path),
                }
            }
        }
        all.sites.sort_by(|one, other| one.domain.cmp(&other.domain));
        all.sites.dedup_by(|one, other| one.domain == other.domain);
        for path in &all.damaged {
            warn!("{}", damaged(path).message());
        }
        Ok(all)
    }
}

fn file_name(domain: &Domain) -> String {
    format!("{domain}.conf")
}

/// The domain whose site file this would be, by its name.
fn domain_of(path: &Path) -> Option<Domain> {
    Domain::parse("domain", path.file_name()?.to_str()?.strip_suffix(".conf")?).ok()
}

fn found(path: &Path, domain: &Domain) -> io::Result<Found> {
    let mut head = Vec::new();
    match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Missing),
        file => file?.take(mark::MAX_LINE).read_to_end(&mut head)?,
    };
    Ok(match Site::parse(&head) {
        // A copy of another site's file is not a site.
        Some(site) if site.domain != *domain => Found::Foreign,
        Some(site) => Found::Site(site),
        None if mark::after(&head).is_some() => Found::Damaged,
        None => Found::Foreign,
    })
}

fn damaged(path: &Path) -> Problem {
    Problem::Failed(format!(
        "{0} is a site file of the Agent, but its first line is damaged, so the Agent does not know the site. Restore the \
         line from a backup, or remove the line to manage the file manually.",
        path.display()
    ))
}

/// Whether the text occurs in the file. A file that cannot be read may contain anything.
fn mentions(path: &Path, text: &str) -> bool {
    fs::read(path).map_or(true, |bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
}
