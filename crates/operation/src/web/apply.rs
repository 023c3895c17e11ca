//! Generating and loading the configuration of nginx and PHP for sites, certificates and suspensions.

use std::path::PathBuf;

use crate::servers::{nginx, php};
use crate::transaction::Transaction;
use crate::web::certificate::current;
use crate::web::certificate::files::CertificateFiles;
use crate::web::site::Site;
use crate::web::site_file::{self, View};
use crate::web::{pools, published_sites};
use opterius_base::deadline::Deadline;
use opterius_base::files::FileMode;
use opterius_host::layout;
use opterius_host::problem::Problem;
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
        // nginx's directories can have changed since the site was created.
        let is_elsewhere = |path: &PathBuf| *path != place.file && Some(path) != place.link.as_ref();
        for path in view.site.paths(host)?.iter().filter(|path| is_elsewhere(path)) {
            transaction.remove(path)?;
        }
    }
    take_effect(transaction, deadline, &mut warnings)?;
    for view in &views {
        published_sites::publish(host, view.site, view.certificate.as_ref(), &register, deadline)?;
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

/// Removes a site from nginx and PHP, in all places. Its files and logs stay.
///
/// # Errors
/// A file cannot be deleted.
pub fn remove(transaction: &mut Transaction<'_>, site: &Site) -> Result<(), Problem> {
    let host = transaction.host();
    for path in site.paths(host)? {
        transaction.remove(&path)?;
    }
    transaction.remove(&php::pool_file(host, &site.php_version, &site.domain))
}
