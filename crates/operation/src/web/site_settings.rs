//! The file with the settings of a site.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::transaction::Transaction;
use crate::web::protected_directories;
use opterius_base::files::{self, FileMode};
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::problem::Problem;
use opterius_host::request::values::Domain;
use opterius_host::sites::site_settings::{ProtectedDirectory, SiteSettings};

/// Largest file, in bytes: 1,000 redirects with all characters encoded, and room for the rest.
const MAX_FILE: u64 = 8 * 1024 * 1024;

fn path(host: &Host, domain: &Domain) -> PathBuf {
    host.path(layout::SITE_SETTINGS).join(format!("{domain}.json"))
}

/// The settings of a site.
///
/// # Errors
/// Its file is damaged or cannot be read. Without it, a protected directory would be open.
pub fn read(host: &Host, domain: &Domain) -> Result<SiteSettings, Problem> {
    let path = path(host, domain);
    let bytes = match files::read(&path, MAX_FILE) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(SiteSettings::default()),
        read => read.map_err(|error| Problem::at(&path, error))?,
    };
    serde_json::from_slice(&bytes).map_err(|error| damaged(&path, &error))
}

fn damaged(path: &Path, error: &serde_json::Error) -> Problem {
    Problem::Failed(format!(
        "The settings of a site in {0} are damaged: {error}. Restore the file from a backup; or delete it, and set the site's \
         redirects, protected directories, hotlink protection and directives again.",
        path.display()
    ))
}

/// Stores the settings of a site, which take effect when its nginx file is written.
///
/// # Errors
/// They cannot be written.
pub fn write(transaction: &mut Transaction<'_>, domain: &Domain, settings: &SiteSettings) -> Result<(), Problem> {
    let path = path(transaction.host(), domain);
    if *settings == SiteSettings::default() {
        return if path.exists() { transaction.remove(&path) } else { Ok(()) };
    }
    let bytes = serde_json::to_vec(settings).map_err(|error| Problem::failed("the settings of a site", error))?;
    transaction.write(&path, &bytes, FileMode::mode(0o600))
}

/// Deletes the settings of a site, with the passwords of its directories.
///
/// # Errors
/// They cannot be deleted.
pub fn forget(transaction: &mut Transaction<'_>, domain: &Domain) -> Result<(), Problem> {
    // Damaged settings must not keep a site from being deleted.
    for ProtectedDirectory { path, .. } in read(transaction.host(), domain).unwrap_or_default().protected {
        protected_directories::forget_passwords(transaction, domain, &path)?;
    }
    write(transaction, domain, &SiteSettings::default())
}
