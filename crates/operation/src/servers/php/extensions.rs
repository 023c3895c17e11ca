//! The extensions of a version of PHP: Debian's packages bring a file for each in `mods-available`, and a link to it in `conf.d`
//! loads it.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::servers::php::versions::{self, service};
use crate::systemctl;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::PhpVersion;
use opterius_host::tool::Tool;

/// Debian's programs that set and remove the links, and remember that an administrator has decided.
const ENABLE: &str = "phpenmod";
const DISABLE: &str = "phpdismod";

/// The extensions that packages have installed, sorted.
pub fn available(host: &Host, version: &PhpVersion) -> BTreeSet<String> {
    names(versions::pools(host, version).parent().and_then(|fpm| fpm.parent()).map(|php| php.join("mods-available")))
}

/// Those that FPM loads.
pub fn enabled(host: &Host, version: &PhpVersion) -> BTreeSet<String> {
    let linked = names(versions::pools(host, version).parent().map(|fpm| fpm.join("conf.d")));
    // The name of a link begins with its priority, such as 20-.
    linked.iter().filter_map(|name| Some(name.split_once('-')?.1.to_owned())).collect()
}

/// The names of the `.ini` files in a directory, without their ends.
fn names(directory: Option<PathBuf>) -> BTreeSet<String> {
    let entries = directory.and_then(|path| fs::read_dir(path).ok()).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| name.strip_suffix(".ini").map(str::to_owned)).collect()
}

/// Sets or removes the link of an extension.
///
/// # Errors
/// Debian's program is missing or fails.
pub fn set(version: &PhpVersion, name: &str, enable: bool, deadline: Deadline) -> Result<(), Problem> {
    let tool = Tool::named(if enable { ENABLE } else { DISABLE })?;
    tool.args(["-v", version.as_str(), "-s", "fpm", name]).succeed(deadline).map(drop)
}

/// Whether FPM loads an extension, seen by starting it; none if it has another name than its file.
///
/// # Errors
/// FPM complains about its extensions; the message has its words.
pub fn is_loaded(version: &PhpVersion, name: &str, deadline: Deadline) -> Result<bool, Problem> {
    let program = format!("php-fpm{version}");
    let output = Tool::named(&program)?.arg("-m").run(deadline)?;
    let said = format!("{}\n{}", output.stdout, output.stderr);
    let is_complaint = |line: &&str| line.contains("Warning") || line.contains("Unable to load");
    if let Some(line) = said.lines().find(is_complaint) {
        let sentence = format!("PHP {version} does not load its extensions: {}", line.trim());
        return Err(Problem::rejected(&program, sentence));
    }
    let is_it = |line: &str| line.strip_prefix("zend ").unwrap_or(line) == name;
    Ok(said.lines().any(|line| is_it(&line.trim().to_ascii_lowercase())))
}

/// Makes all running masters of a version load their extensions again.
///
/// # Errors
/// systemd does not reload one.
pub fn reload(host: &Host, version: &PhpVersion, deadline: Deadline) -> Result<(), Problem> {
    if !host.has_systemd() {
        return Err(Problem::Unavailable(format!(
            "The extensions of PHP {version} are changed. To load them, restart {}.",
            service(version)
        )));
    }
    let shared = service(version);
    // It passes a reload on to the accounts' masters.
    let is_running = systemctl::run(["--quiet", "is-active", &shared], deadline)?.is_success();
    let units = if is_running { shared } else { format!("opterius-php-{version}@*.service") };
    systemctl::succeed(["try-reload-or-restart", &units], deadline).map(drop)
}
