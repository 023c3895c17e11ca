//! PHP-FPM: one pool per site, which runs as the account's user.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::warn;
use ring::digest::{SHA256, digest};
use rustix::event::{Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};

use opterius_base::deadline::Deadline;
use opterius_base::files::{self, FileMode};
use opterius_base::hex::hex;
use opterius_host::host::Host;
use opterius_host::lines;
use opterius_host::problem::Problem;
use opterius_host::request::values::{Domain, PhpVersion};
use opterius_host::tool::Tool;
use opterius_host::users::register::User;

/// The start of a pool file that the Agent manages.
pub const MARK: &str = "; opterius-agent:";

/// Debian's directory of PHP versions.
const VERSIONS: &str = "/etc/php";

/// Longest domain used in a socket's path, which is limited to 107 bytes.
const MAX_SOCKET_NAME: usize = 64;

/// How long to wait for a new pool's socket after a reload.
const SOCKET_TIME: Duration = Duration::from_secs(3);

/// Whether this version can run sites on the host.
pub fn is_installed(host: &Host, version: &PhpVersion) -> bool {
    pools(host, version).is_dir() && Host::tool(&format!("php-fpm{version}")).is_some()
}

/// The directory of a version's pool files.
pub fn pools(host: &Host, version: &PhpVersion) -> PathBuf {
    host.path(VERSIONS).join(version.as_str()).join("fpm/pool.d")
}

/// The path of a site's pool file.
pub fn pool_file(host: &Host, version: &PhpVersion, domain: &Domain) -> PathBuf {
    pools(host, version).join(format!("{domain}.conf"))
}

/// The path of a site's pool socket.
pub fn socket(host: &Host, domain: &Domain) -> PathBuf {
    let name = if domain.as_str().len() <= MAX_SOCKET_NAME {
        domain.to_string()
    } else {
        hex(digest(&SHA256, domain.as_str().as_bytes()).as_ref().get(..16).unwrap_or_default())
    };
    host.path("/run/php").join(format!("opterius-{name}.sock"))
}

/// The content of a site's pool file.
pub fn pool(host: &Host, domain: &Domain, user: &User, web_group: &str, error_log: &Path) -> String {
    // This machine does not know the usernames of a directory tree.
    let (name, group) = if host.is_machine() {
        (user.name.clone(), user.name.clone())
    } else {
        (user.uid.to_string(), user.gid.to_string())
    };
    format!(
        "{MARK} pool of {domain}; the Agent overwrites this file whenever the site changes\n\
         [{domain}]\n\
         user = {name}\n\
         group = {group}\n\
         listen = {socket}\n\
         listen.owner = {web_group}\n\
         listen.group = {web_group}\n\
         listen.mode = 0660\n\
         ; Start processes only when requests arrive.\n\
         pm = ondemand\n\
         pm.max_children = 5\n\
         pm.process_idle_timeout = 10s\n\
         pm.max_requests = 500\n\
         security.limit_extensions = .php\n\
         catch_workers_output = no\n\
         php_admin_flag[log_errors] = on\n\
         php_admin_value[error_log] = {error_log}\n",
        socket = socket(host, domain).display(),
        error_log = error_log.display(),
    )
}

/// Whether a version has any pools; FPM does not start without one.
fn has_pools(host: &Host, version: &PhpVersion) -> bool {
    let entries = fs::read_dir(pools(host, version)).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| path.extension().is_some_and(|extension| extension == "conf"))
}

/// Tests the current pools of a version.
///
/// # Errors
/// FPM rejects them; the message includes FPM's.
pub fn test(host: &Host, version: &PhpVersion, deadline: Deadline) -> Result<(), Problem> {
    if !has_pools(host, version) {
        return Ok(());
    }
    let program = format!("php-fpm{version}");
    let tool = Tool::named(&program)?.arg("-t");
    let tool = if host.is_machine() {
        tool
    } else {
        let main = pools(host, version).with_file_name("php-fpm-test.conf");
        let text = format!("[global]\nerror_log = /dev/null\ninclude={}/*.conf\n", pools(host, version).display());
        files::replace(&main, text.as_bytes(), FileMode::mode(0o644)).map_err(|error| Problem::at(&main, error))?;
        tool.arg("-y").arg(&main)
    };
    let output = tool.run(deadline)?;
    if output.is_success() {
        return Ok(());
    }
    Err(Problem::rejected(&program, format!("PHP {version} rejected its pools. {}", output.complaint())))
}

/// Makes the running FPM of a version reload its pools. Returns a warning on failure.
pub fn reload(host: &Host, version: &PhpVersion, deadline: Deadline) -> Option<String> {
    if !host.is_machine() {
        return None;
    }
    let service = format!("php{version}-fpm");
    let reloaded = if host.has_systemd() {
        let action = if has_pools(host, version) { "reload-or-restart" } else { "stop" };
        Tool::named("systemctl").and_then(|tool| tool.args([action, &service]).succeed(deadline)).map(drop)
    } else {
        signal_main_process(host, version)
    };
    let problem = reloaded.err()?;
    let cause = problem.message();
    warn!("{service} could not reload its pools: {cause}");
    Some(format!(
        "PHP {version} did not reload and still uses its previous pools, or is stopped: {cause} To start it, run: systemctl \
         start {service}"
    ))
}

/// Makes every version reload its pools.
pub fn reload_all(host: &Host, deadline: Deadline) {
    for version in versions(host) {
        if test(host, &version, deadline).is_ok() {
            reload(host, &version, deadline);
        }
    }
}

/// The name of a version's systemd service.
pub fn service(version: &PhpVersion) -> String {
    format!("php{version}-fpm")
}

/// The installed versions.
pub fn versions(host: &Host) -> Vec<PhpVersion> {
    let entries = fs::read_dir(host.path(VERSIONS)).into_iter().flatten().flatten();
    let versions = entries.filter_map(|entry| PhpVersion::parse("php_version", entry.file_name().to_str()?).ok());
    versions.filter(|version| is_installed(host, version)).collect()
}

/// Without systemd: sends SIGUSR2 to the main process. The web server can write to the pid file's directory, so the pid is
/// used only if that process runs the FPM program.
fn signal_main_process(host: &Host, version: &PhpVersion) -> Result<(), Problem> {
    let path = host.path(&format!("/run/php/php{version}-fpm.pid"));
    let bytes = lines::read(&path).map_err(|error| Problem::at(&path, error))?;
    let process = lines::number(&bytes).and_then(Pid::from_raw);
    let program = process.and_then(|process| fs::read_link(format!("/proc/{process}/exe")).ok());
    match (process, program) {
        (Some(process), Some(program)) if Host::tool(&format!("php-fpm{version}")).as_ref() == Some(&program) => {
            kill_process(process, Signal::USR2).map_err(|error| Problem::failed("php-fpm", error))
        }
        _ => Err(Problem::Failed(format!("{} does not name a running php-fpm{version}", path.display()))),
    }
}

/// Waits for a new pool's socket; until it exists, nginx would answer 502.
pub fn await_socket(host: &Host, domain: &Domain, deadline: Deadline) {
    let (socket, deadline) = (socket(host, domain), deadline.sooner(SOCKET_TIME));
    while host.is_machine() && !socket.exists() && !deadline.is_over() {
        let _ = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 10_000_000 }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opterius_host::host::Acme;

    #[test]
    fn a_socket_path_is_never_too_long() {
        let acme = Acme { server: String::new(), authority: None };
        let host = Host::new("/".into(), acme, PathBuf::new());
        let domain = |text: &str| Domain::parse("domain", text).unwrap();
        assert_eq!(socket(&host, &domain("example.com")), Path::new("/run/php/opterius-example.com.sock"));
        let long = domain(&format!("{}.example.com", "abcdefghi.".repeat(20).trim_end_matches('.')));
        assert!(socket(&host, &long).as_os_str().len() < 108);
        assert_ne!(socket(&host, &long), socket(&host, &domain(&format!("x.{long}"))));
    }
}
