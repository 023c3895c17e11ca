//! PHP: one FPM pool for each site, which runs as the account's user.

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
use opterius_host::problem::Problem;
use opterius_host::request::values::{Domain, PhpVersion};
use opterius_host::tool::Tool;
use opterius_host::users::register::User;

/// Begins a pool's file that is ours.
pub const MARK: &str = "; opterius-agent:";

/// Where Debian keeps the versions of PHP.
const VERSIONS: &str = "/etc/php";

/// The longest domain that is part of a socket's name: such a name has at most 107 bytes.
const MAX_SOCKET_NAME: usize = 64;

/// How long a new pool's socket is waited for after the reload.
const SOCKET_TIME: Duration = Duration::from_secs(3);

/// Whether this version can run sites on the host.
pub fn is_installed(host: &Host, version: &PhpVersion) -> bool {
    pools(host, version).is_dir() && Host::tool(&format!("php-fpm{version}")).is_some()
}

/// Where the pools of a version are.
pub fn pools(host: &Host, version: &PhpVersion) -> PathBuf {
    host.path(VERSIONS).join(version.as_str()).join("fpm/pool.d")
}

/// The file of a site's pool.
pub fn pool_file(host: &Host, version: &PhpVersion, domain: &Domain) -> PathBuf {
    pools(host, version).join(format!("{domain}.conf"))
}

/// The socket of a site's pool.
pub fn socket(host: &Host, domain: &Domain) -> PathBuf {
    let name = if domain.as_str().len() <= MAX_SOCKET_NAME {
        domain.to_string()
    } else {
        hex(digest(&SHA256, domain.as_str().as_bytes()).as_ref().get(..16).unwrap_or_default())
    };
    host.path("/run/php").join(format!("opterius-{name}.sock"))
}

/// The text of a site's pool.
pub fn pool(host: &Host, domain: &Domain, user: &User, web_group: &str, error_log: &Path) -> String {
    // The names of another tree's users mean nothing to this machine.
    let (name, group) = if host.is_machine() {
        (user.name.clone(), user.name.clone())
    } else {
        (user.uid.to_string(), user.gid.to_string())
    };
    format!(
        "{MARK} the pool of {domain}; written anew with the site\n\
         [{domain}]\n\
         user = {name}\n\
         group = {group}\n\
         listen = {socket}\n\
         listen.owner = {web_group}\n\
         listen.group = {web_group}\n\
         listen.mode = 0660\n\
         ; Nothing runs for a site that nobody visits.\n\
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

/// Whether a version has any pool: without one FPM does not run at all.
fn has_pools(host: &Host, version: &PhpVersion) -> bool {
    let entries = fs::read_dir(pools(host, version)).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| path.extension().is_some_and(|extension| extension == "conf"))
}

/// Whether the pools of a version as they are now can be used.
///
/// # Errors
/// FPM refuses them; its own words are in the sentence.
pub fn test(host: &Host, version: &PhpVersion, deadline: Deadline) -> Result<(), Problem> {
    if !has_pools(host, version) {
        return Ok(());
    }
    let tool = Tool::named(&format!("php-fpm{version}"))?.arg("-t");
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
    Err(Problem::Failed(format!("PHP {version} does not take the pool. {}", output.complaint())))
}

/// Has the running FPM of a version take its pools; a sentence where it does not run.
pub fn reload(host: &Host, version: &PhpVersion, deadline: Deadline) -> Option<String> {
    if !host.is_machine() {
        return None;
    }
    let service = format!("php{version}-fpm");
    let told = if host.has_systemd() {
        let action = if has_pools(host, version) { "reload-or-restart" } else { "stop" };
        Tool::named("systemctl").and_then(|tool| tool.args([action, &service]).succeed(deadline)).map(drop)
    } else {
        signal_main_process(host, version)
    };
    let problem = told.err()?;
    let cause = problem.message();
    warn!("{service} could not be told of its new pools: {cause}");
    Some(format!(
        "PHP {version} runs what it had before, or nothing: {cause} If it is not running: systemctl start {service}"
    ))
}

/// Has every version take its pools.
pub fn reload_all(host: &Host, deadline: Deadline) {
    for version in versions(host) {
        if test(host, &version, deadline).is_ok() {
            reload(host, &version, deadline);
        }
    }
}

/// The name of a version's service.
pub fn service(version: &PhpVersion) -> String {
    format!("php{version}-fpm")
}

/// The versions that can run sites.
pub fn versions(host: &Host) -> Vec<PhpVersion> {
    let entries = fs::read_dir(host.path(VERSIONS)).into_iter().flatten().flatten();
    let versions = entries.filter_map(|entry| PhpVersion::parse("php_version", entry.file_name().to_str()?).ok());
    versions.filter(|version| is_installed(host, version)).collect()
}

/// Without systemd: SIGUSR2 to the main process. Its number is in a directory that the web server can write to, so it
/// counts only when the process is root's and is FPM.
fn signal_main_process(host: &Host, version: &PhpVersion) -> Result<(), Problem> {
    let path = host.path(&format!("/run/php/php{version}-fpm.pid"));
    let text = fs::read_to_string(&path).map_err(|error| Problem::at(&path, error))?;
    let process = text.trim().parse().ok().and_then(Pid::from_raw);
    let program = process.and_then(|process| fs::read_link(format!("/proc/{process}/exe")).ok());
    match (process, program) {
        (Some(process), Some(program)) if Host::tool(&format!("php-fpm{version}")).as_ref() == Some(&program) => {
            kill_process(process, Signal::USR2).map_err(|error| Problem::failed("php-fpm", error))
        }
        _ => Err(Problem::Failed(format!("{} does not name a running php-fpm{version}", path.display()))),
    }
}

/// Waits for a new pool's socket: nginx would answer 502 until it is there.
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
    fn a_socket_has_a_name_that_a_socket_can_have() {
        let acme = Acme { server: String::new(), authority: None };
        let host = Host::new("/".into(), acme, PathBuf::new());
        let domain = |text: &str| Domain::parse("domain", text).unwrap();
        assert_eq!(socket(&host, &domain("example.com")), Path::new("/run/php/opterius-example.com.sock"));
        let long = domain(&format!("{}.example.com", "abcdefghi.".repeat(20).trim_end_matches('.')));
        assert!(socket(&host, &long).as_os_str().len() < 108);
        assert_ne!(socket(&host, &long), socket(&host, &domain(&format!("x.{long}"))));
    }
}
