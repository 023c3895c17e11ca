//! Generating and loading the configuration of nginx and PHP for sites, certificates and suspensions.

use crate::servers::{nginx, php};
use crate::transaction::Transaction;
use crate::web::certificate::current;
use crate::web::certificate::files::CertificateFiles;
use crate::web::pools;
use crate::web::site::Site;
use crate::web::site_file::{self, View};
use opterius_base::deadline::Deadline;
use opterius_base::files::FileMode;
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::problem::Problem;
use opterius_host::sites::site_record::{self, SiteRecord};
use opterius_host::users::account::Account;
use opterius_host::users::register::Register;

/// Updates the configuration of nginx and PHP for these sites, with their current certificates and suspensions, then
/// publishes the sites' records. Returns warnings.
///
/// # Errors
/// nginx or PHP rejected the configuration, or another step failed; the caller's transaction is then rolled back.
pub fn apply(transaction: &mut Transaction<'_>, sites: &[Site], deadline: Deadline) -> Result<Vec<String>, Problem> {
    let host = transaction.host();
    let served = sites.iter().map(|site| (site, current::find(host, &site.domain)));
    apply_served(transaction, served.collect(), deadline)
}

/// Like [`apply`], for one site with the given certificate, so that nginx does not refer to files that are about to be
/// deleted.
///
/// # Errors
/// Those of [`apply`].
pub fn apply_with(
    transaction: &mut Transaction<'_>,
    site: &Site,
    certificate: Option<CertificateFiles>,
    deadline: Deadline,
) -> Result<Vec<String>, Problem> {
    apply_served(transaction, vec![(site, certificate)], deadline)
}

fn apply_served(
    transaction: &mut Transaction<'_>,
    sites: Vec<(&Site, Option<CertificateFiles>)>,
    deadline: Deadline,
) -> Result<Vec<String>, Problem> {
    let host = transaction.host();
    let register = Register::read(host)?;
    let views = sites.into_iter().map(|(site, certificate)| View::of(host, site, certificate, &register));
    let views = views.collect::<Result<Vec<_>, _>>()?;
    let mut warnings = pools::apply(transaction, &views, &register, deadline)?;
    for view in &views {
        let place = Site::place(host, &view.site.domain);
        transaction.write(&place.file, site_file::render(host, view).as_bytes(), FileMode::mode(0o644))?;
        if let Some(link) = &place.link {
            transaction.link(link, &place.file)?;
        }
    }
    take_effect(transaction, deadline, &mut warnings)?;
    for view in &views {
        site_record::publish(host, &record_with(host, view.site, view.certificate.as_ref(), deadline)?, &register)?;
    }
    Ok(warnings)
}

/// Tests nginx's configuration and reloads it.
///
/// # Errors
/// nginx rejected the configuration.
pub fn take_effect(
    transaction: &mut Transaction<'_>,
    deadline: Deadline,
    warnings: &mut Vec<String>,
) -> Result<(), Problem> {
    let host = transaction.host();
    match nginx::test(host, deadline) {
        // Long names need a larger hash table than nginx's default, and the administrator has not set one.
        Err(problem) if problem.message().contains("could not build server_names_hash") => {
            let room = "# opterius-agent: larger hash table for server names\n\
                        server_names_hash_bucket_size 512;\nserver_names_hash_max_size 16384;\n";
            transaction.write(&host.path(layout::NGINX_NAMES), room.as_bytes(), FileMode::mode(0o644))?;
            nginx::test(host, deadline)?;
        }
        tested => tested?,
    }
    warnings.extend(nginx::reload(host, deadline));
    Ok(())
}

/// Removes a site from nginx and PHP. Its files and logs stay.
///
/// # Errors
/// A file cannot be deleted.
pub fn remove(transaction: &mut Transaction<'_>, site: &Site) -> Result<(), Problem> {
    let host = transaction.host();
    let place = Site::place(host, &site.domain);
    for path in place.link.iter().chain([&place.file]) {
        transaction.remove(path)?;
    }
    transaction.remove(&php::pool_file(host, &site.php_version, &site.domain))
}

/// The record of a site.
///
/// # Errors
/// Its certificate cannot be read.
pub fn record(host: &Host, site: &Site, deadline: Deadline) -> Result<SiteRecord, Problem> {
    record_with(host, site, current::find(host, &site.domain).as_ref(), deadline)
}

fn record_with(
    host: &Host,
    site: &Site,
    certificate: Option<&CertificateFiles>,
    deadline: Deadline,
) -> Result<SiteRecord, Problem> {
    Ok(SiteRecord {
        domain: site.domain.clone(),
        username: site.username.clone(),
        names: site.names(host),
        document_root: site.absolute_document_root(),
        php_version: Some(site.php_version.to_string()),
        parent_domain: site.parent_domain.clone(),
        managed: true,
        suspended: Account::read(host, &site.username)?.suspended.is_some(),
        created_at: Some(site.created_at),
        certificate: certificate.map(|found| current::describe(found, deadline)).transpose()?,
        issue: site_record::read(host, &site.domain).and_then(|record| record.issue),
    })
}
