//! Sites: what one is, where its files are, and how nginx and PHP are brought in line with what exists.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::servers::nginx::{self, Place};
use crate::servers::php;
use crate::transaction::Changes;
use crate::web::certificate::{self, OnDisk};
use crate::web::site_file;
use opterius_base::clock::Timestamp;
use opterius_base::deadline::Deadline;
use opterius_base::files::Rights;
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::problem::Problem;
use opterius_host::request::fields::{Domain, PhpVersion, Username};
use opterius_host::sites::facts::{self, Facts};
use opterius_host::users::account::Account;
use opterius_host::users::register::{Register, User};

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
        let facts = facts::read_all(host).into_iter().filter(|facts| facts.username == *username);
        facts.filter_map(|facts| Self::find_of(host, &facts.domain, username).ok()).collect()
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

    /// What is known of it.
    ///
    /// # Errors
    /// Its certificate cannot be read.
    pub fn facts(&self, host: &Host, deadline: Deadline) -> Result<Facts, Problem> {
        self.facts_with(host, certificate::on_disk(host, &self.domain).as_ref(), deadline)
    }

    fn facts_with(&self, host: &Host, certificate: Option<&OnDisk>, deadline: Deadline) -> Result<Facts, Problem> {
        Ok(Facts {
            domain: self.domain.clone(),
            username: self.username.clone(),
            names: self.names(host),
            document_root: self.absolute_document_root(),
            php_version: Some(self.php_version.to_string()),
            parent_domain: self.parent_domain.clone(),
            managed: true,
            suspended: Account::read(host, &self.username)?.suspended.is_some(),
            created_at: Some(self.created_at),
            certificate: certificate.map(|found| certificate::describe(found, deadline)).transpose()?,
            issue: facts::read(host, &self.domain).and_then(|facts| facts.issue),
        })
    }

    /// Its pool, if PHP is there and the account is not suspended.
    fn has_pool(&self, host: &Host, suspended: bool) -> bool {
        !suspended && php::is_installed(host, &self.php_version)
    }
}

/// Brings nginx and PHP in line with what exists: sites, certificates, suspension. Then publishes what is known of the
/// sites. Returns sentences about what is not as it could be.
///
/// # Errors
/// nginx or PHP refused, or something else failed; the caller's change is then taken back.
pub fn apply(changes: &mut Changes<'_>, sites: &[Site], deadline: Deadline) -> Result<Vec<String>, Problem> {
    let host = changes.host();
    let served = sites.iter().map(|site| (site, certificate::on_disk(host, &site.domain)));
    apply_served(changes, served.collect(), deadline)
}

/// The same for one site with this certificate, whatever there is: nginx must not point to files that are about to go.
///
/// # Errors
/// As with [`apply`].
pub fn apply_with(
    changes: &mut Changes<'_>,
    site: &Site,
    certificate: Option<OnDisk>,
    deadline: Deadline,
) -> Result<Vec<String>, Problem> {
    apply_served(changes, vec![(site, certificate)], deadline)
}

fn apply_served(
    changes: &mut Changes<'_>,
    sites: Vec<(&Site, Option<OnDisk>)>,
    deadline: Deadline,
) -> Result<Vec<String>, Problem> {
    let host = changes.host();
    let register = Register::read(host)?;
    let views = sites.into_iter().map(|(site, certificate)| View::of(host, site, certificate, &register));
    let views = views.collect::<Result<Vec<_>, _>>()?;
    let mut warnings = apply_pools(changes, &views, &register, deadline)?;
    for view in &views {
        let place = Site::place(host, &view.site.domain);
        changes.write(&place.file, site_file::render(host, view).as_bytes(), Rights::mode(0o644))?;
        if let Some(link) = &place.link {
            changes.link(link, &place.file)?;
        }
    }
    take_effect(changes, deadline, &mut warnings)?;
    for view in &views {
        facts::publish(host, &view.site.facts_with(host, view.certificate.as_ref(), deadline)?, &register)?;
    }
    Ok(warnings)
}

/// Has nginx test everything and take it.
///
/// # Errors
/// nginx refused.
pub fn take_effect(changes: &mut Changes<'_>, deadline: Deadline, warnings: &mut Vec<String>) -> Result<(), Problem> {
    let host = changes.host();
    match nginx::test(host, deadline) {
        // Long names need more room than nginx has by default, and nobody has given it any.
        Err(problem) if problem.message().contains("could not build server_names_hash") => {
            let room = "# opterius-agent: room for long and many names\n\
                        server_names_hash_bucket_size 512;\nserver_names_hash_max_size 16384;\n";
            changes.write(&host.path("/etc/nginx/conf.d/opterius-names.conf"), room.as_bytes(), Rights::mode(0o644))?;
            nginx::test(host, deadline)?;
        }
        tested => tested?,
    }
    warnings.extend(nginx::reload(host, deadline));
    Ok(())
}

/// Takes a site out of nginx and PHP. Files and logs stay.
///
/// # Errors
/// A file cannot be deleted.
pub fn remove(changes: &mut Changes<'_>, site: &Site) -> Result<(), Problem> {
    let host = changes.host();
    let place = Site::place(host, &site.domain);
    for path in place.link.iter().chain([&place.file]) {
        changes.remove(path)?;
    }
    changes.remove(&php::pool_file(host, &site.php_version, &site.domain))
}

/// A site and everything that decides what its file says.
pub struct View<'a> {
    /// The site.
    pub site: &'a Site,
    /// Its user.
    pub user: &'a User,
    /// The names that it answers to.
    pub names: Vec<String>,
    /// Its certificate.
    pub certificate: Option<OnDisk>,
    /// Whether its account is suspended.
    pub suspended: bool,
    /// The socket of its pool, if it has one.
    pub pool: Option<PathBuf>,
}

impl<'a> View<'a> {
    fn of(host: &Host, site: &'a Site, certificate: Option<OnDisk>, register: &'a Register) -> Result<Self, Problem> {
        let suspended = Account::read(host, &site.username)?.suspended.is_some();
        Ok(Self {
            site,
            user: register.account(&site.username)?,
            names: site.names(host),
            certificate,
            suspended,
            pool: site.has_pool(host, suspended).then(|| php::socket(host, &site.domain)),
        })
    }
}

/// Writes or deletes the pools of sites, and has PHP take what has changed.
fn apply_pools(
    changes: &mut Changes<'_>,
    views: &[View<'_>],
    register: &Register,
    deadline: Deadline,
) -> Result<Vec<String>, Problem> {
    let host = changes.host();
    let mut warnings = Vec::new();
    let mut changed: Vec<&PhpVersion> = Vec::new();
    for View { site, user, pool, suspended, .. } in views {
        let version = &site.php_version;
        let file = php::pool_file(host, version, &site.domain);
        if pool.is_some() {
            let error_log = site.logs(host).join("php-error.log");
            let text = php::pool(host, &site.domain, user, &register.web_group()?.name, &error_log);
            if fs::read(&file).ok().as_deref() == Some(text.as_bytes()) {
                continue;
            }
            changes.write(&file, text.as_bytes(), Rights::mode(0o644))?;
        } else if file.exists() {
            changes.remove(&file)?;
        } else {
            if !suspended {
                warnings.push(format!("PHP {version} is not installed, so PHP pages of {} answer 503.", site.domain));
            }
            continue;
        }
        if !changed.contains(&version) {
            changed.push(version);
        }
    }
    for version in changed.into_iter().filter(|version| php::is_installed(host, version)) {
        php::test(host, version, deadline)?;
        let warning = php::reload(host, version, deadline);
        if warning.is_none() {
            for view in views.iter().filter(|view| view.pool.is_some() && view.site.php_version == *version) {
                php::await_socket(host, &view.site.domain, deadline);
            }
        }
        warnings.extend(warning);
    }
    Ok(warnings)
}
