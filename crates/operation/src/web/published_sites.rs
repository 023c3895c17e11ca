//! Publishing the records of managed sites, which are copies of what their files, certificates and accounts say.

use std::path::PathBuf;

use log::warn;

use crate::web::certificate::current;
use crate::web::certificate::files::CertificateFiles;
use crate::web::site::{Site, SiteFile, Sites};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::{Domain, Username};
use opterius_host::sites::site_record::{self, Certificate, SiteRecord};
use opterius_host::users::account::Account;
use opterius_host::users::register::Register;

/// Publishes the record of a site with this certificate.
///
/// # Errors
/// The account cannot be read, or the record cannot be written.
pub fn publish(
    host: &Host,
    site: &Site,
    certificate: Option<&CertificateFiles>,
    register: &Register,
    deadline: Deadline,
) -> Result<(), Problem> {
    let record = SiteRecord {
        domain: site.domain.clone(),
        username: site.username.clone(),
        names: site.names(host),
        document_root: site.absolute_document_root(),
        php_version: Some(site.php_version.to_string()),
        parent_domain: site.parent_domain.clone(),
        managed: true,
        suspended: Account::read(host, &site.username)?.suspended.is_some(),
        created_at: Some(site.created_at),
        certificate: certificate.and_then(|found| described(host, found, deadline)),
        // Only the record knows how the last attempt went. If it is damaged, that is lost.
        issue: site_record::read(host, &site.domain).ok().flatten().and_then(|record| record.issue),
    };
    site_record::publish(host, &record, register)
}

/// Facts about a certificate; none if it cannot be read, which must not prevent a change such as a suspension.
fn described(host: &Host, found: &CertificateFiles, deadline: Deadline) -> Option<Certificate> {
    let described = current::describe(host, found, deadline);
    described.inspect_err(|problem| warn!("A certificate cannot be read: {}", problem.message())).ok()
}

/// The account that owns a site: as its file says, or, for a site that the Agent does not manage, as it was adopted.
///
/// # Errors
/// The site's file or record is damaged or cannot be read.
pub fn owner(host: &Host, domain: &Domain) -> Result<Option<Username>, Problem> {
    match Site::read(host, domain)? {
        SiteFile::Managed(site) => Ok(Some(site.username)),
        SiteFile::Missing | SiteFile::Unmanaged(_) => {
            let record = site_record::read(host, domain)?;
            Ok(record.filter(|record| !record.managed).map(|record| record.username))
        }
    }
}

/// Publishes the record of a site if it is missing or damaged.
///
/// # Errors
/// Those of [`publish`].
pub fn ensure(host: &Host, site: &Site, deadline: Deadline) -> Result<(), Problem> {
    match site_record::read(host, &site.domain) {
        Ok(Some(_)) => Ok(()),
        Ok(None) | Err(_) => {
            let certificate = current::find(host, &site.domain);
            publish(host, site, certificate.as_ref(), &Register::read(host)?, deadline)
        }
    }
}

/// Rebuilds missing, damaged and outdated records of managed sites, and deletes those of sites that are gone. Returns a
/// warning for each record that cannot be rebuilt.
///
/// # Errors
/// The site files, the users or the directory of records cannot be read.
pub fn repair(host: &Host, deadline: Deadline) -> Result<Vec<String>, Problem> {
    let register = Register::read(host)?;
    let published = site_record::read_all(host)?;
    let Sites { sites, damaged } = Sites::read(host)?;
    let has_record = |site: &Site| {
        let of_site = published.records.iter().find(|record| record.domain == site.domain);
        of_site.is_some_and(|record| record.managed && record.username == site.username)
    };
    let mut warnings = Vec::new();
    for site in sites.iter().filter(|site| !has_record(site)) {
        let certificate = current::find(host, &site.domain);
        let rebuilt = publish(host, site, certificate.as_ref(), &register, deadline);
        warnings.extend(rebuilt.err().map(|problem| problem.message()));
    }
    let named_after = |path: &PathBuf, domain: &Domain| path.file_stem().is_some_and(|stem| stem == domain.as_str());
    let is_gone = |domain: &Domain| {
        !sites.iter().any(|site| site.domain == *domain) && !damaged.iter().any(|path| named_after(path, domain))
    };
    let managed = published.records.iter().filter(|record| record.managed).map(|record| &record.domain);
    for domain in managed.filter(|domain| is_gone(domain)) {
        warnings.extend(site_record::forget(host, domain).err().map(|problem| problem.message()));
    }
    Ok(warnings)
}
