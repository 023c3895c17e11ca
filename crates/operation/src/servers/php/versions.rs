//! The PHP versions of a host.

use std::fs;
use std::path::PathBuf;

use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::PhpVersion;

/// Debian's directory of PHP versions.
const VERSIONS: &str = "/etc/php";

/// Whether this version can run sites on the host.
pub fn is_installed(host: &Host, version: &PhpVersion) -> bool {
    pools(host, version).is_dir() && program(version).is_some()
}

/// Checks that a version can run sites on the host.
///
/// # Errors
/// It cannot; the message names those that can.
pub fn check(host: &Host, version: &PhpVersion) -> Result<(), Problem> {
    if is_installed(host, version) {
        return Ok(());
    }
    let mut installed = installed(host);
    installed.sort();
    let installed: Vec<&str> = installed.iter().map(PhpVersion::as_str).collect();
    let others = if installed.is_empty() { "no PHP".to_owned() } else { format!("PHP {}", installed.join(", ")) };
    Err(Problem::NotFound(format!("PHP {version} is not installed on this server, which has {others}.")))
}

/// The FPM program of a version.
pub fn program(version: &PhpVersion) -> Option<PathBuf> {
    Host::tool(&format!("php-fpm{version}"))
}

/// The directory of the shared master's pool files.
pub fn pools(host: &Host, version: &PhpVersion) -> PathBuf {
    host.path(VERSIONS).join(version.as_str()).join("fpm/pool.d")
}

/// The name of the shared master's systemd service.
pub fn service(version: &PhpVersion) -> String {
    format!("php{version}-fpm")
}

/// The installed versions.
pub fn installed(host: &Host) -> Vec<PhpVersion> {
    configured(host).into_iter().filter(|version| is_installed(host, version)).collect()
}

/// All versions with a directory of settings, even if FPM has been removed since.
pub fn configured(host: &Host) -> Vec<PhpVersion> {
    let entries = fs::read_dir(host.path(VERSIONS)).into_iter().flatten().flatten();
    entries.filter_map(|entry| PhpVersion::parse("php_version", entry.file_name().to_str()?).ok()).collect()
}
