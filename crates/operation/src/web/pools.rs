//! The PHP pools of sites.

use std::fs;

use crate::servers::php;
use crate::transaction::Transaction;
use crate::web::site_file::View;
use opterius_base::deadline::Deadline;
use opterius_base::files::FileMode;
use opterius_host::problem::Problem;
use opterius_host::request::values::PhpVersion;
use opterius_host::users::register::Register;

/// Writes or deletes the pools of sites, and reloads the PHP versions that changed.
///
/// # Errors
/// PHP rejected a pool, or a file cannot be changed.
pub fn apply(
    transaction: &mut Transaction<'_>,
    views: &[View<'_>],
    register: &Register,
    deadline: Deadline,
) -> Result<Vec<String>, Problem> {
    let host = transaction.host();
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
            transaction.write(&file, text.as_bytes(), FileMode::mode(0o644))?;
        } else if file.exists() {
            transaction.remove(&file)?;
        } else {
            if !suspended {
                warnings.push(format!("PHP {version} is not installed, so PHP pages on {} answer 503.", site.domain));
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
