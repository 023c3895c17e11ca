//! What nginx needs of ours and does not find: directories and files of sites' logs, and certificates that were deleted. One
//! missing directory would make every change of every site fail.

use log::warn;

use crate::transaction::Transaction;
use crate::web::certificate::current;
use crate::web::logs;
use crate::web::pools;
use crate::web::site::{Site, Sites};
use crate::web::site_file;
use crate::web::site_view::View;
use opterius_base::deadline::Deadline;
use opterius_base::files::{self, FileMode};
use opterius_host::problem::Problem;
use opterius_host::users::register::Register;

/// Largest site file that is compared, in bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Makes the missing logs of all managed sites, which stay whatever becomes of the transaction, and rewrites the files of
/// those whose certificate is gone. Returns whether anything was missing.
///
/// # Errors
/// A file cannot be read or written.
pub fn make(transaction: &mut Transaction<'_>, deadline: Deadline) -> Result<bool, Problem> {
    let host = transaction.host();
    let register = Register::read(host)?;
    let mut found_any = false;
    let sites = Sites::read(host)?.sites;
    for site in &sites {
        let Ok(user) = register.account(&site.username) else { continue };
        if logs::restore(host, site, user)? {
            warn!("The logs of {} were missing and are created again", site.domain);
            pools::link_log(transaction, site, user)?;
            found_any = true;
        }
        found_any |= without_certificate(transaction, site, &sites, &register, deadline)?;
    }
    Ok(found_any)
}

/// Rewrites the file of a site that names a certificate which is gone: the site is then served over HTTP.
fn without_certificate(
    transaction: &mut Transaction<'_>,
    site: &Site,
    sites: &[Site],
    register: &Register,
    deadline: Deadline,
) -> Result<bool, Problem> {
    let host = transaction.host();
    let path = Site::place(host, &site.domain).file;
    let text = files::read(&path, MAX_FILE).unwrap_or_default();
    let names_one = text.windows(KEY.len()).any(|part| part == KEY.as_bytes());
    if !names_one || current::find(host, &site.domain).is_some() {
        return Ok(false);
    }
    warn!("The certificate of {} is gone, so the site is served over HTTP", site.domain);
    let view = View::of(host, site, None, register, sites, deadline)?;
    let text = site_file::render(host, &view);
    transaction.write(&path, text.as_bytes(), FileMode::mode(0o640))?;
    Ok(true)
}

/// What a site's file has if the site has a certificate.
const KEY: &str = "ssl_certificate_key ";
