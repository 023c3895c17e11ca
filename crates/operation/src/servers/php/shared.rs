//! The shared FPM masters: one for each PHP version, with one pool per site, which runs as the account's user. All pools of a
//! master share its memory, so sites are here only where accounts cannot have masters of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::warn;
use ring::digest::{SHA256, digest};
use rustix::event::{Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};

use crate::servers::php::pool_file::{self, Pool};
use crate::servers::php::versions;
use crate::servers::php::versions::{pools, service};
use crate::servers::{MAX_BODY_MIB, MAX_SCRIPT_TIME};
use crate::systemctl;
use opterius_base::deadline::Deadline;
use opterius_base::files::{self, FileMode};
use opterius_base::hex::hex;
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::lines;
use opterius_host::problem::Problem;
use opterius_host::request::values::{Domain, PhpVersion};
use opterius_host::tool::{Output, Tool};
use opterius_host::users::register::User;

/// The start of a pool file that the Agent manages.
pub const MARK: &str = "; opterius-agent:";

/// Longest domain used in a socket's path, which is limited to 107 bytes.
const MAX_SOCKET_NAME: usize = 64;

/// Time limit for systemd to reload or restart a shared master.
const RELOAD_TIME: Duration = Duration::from_secs(20);

/// How long to wait for a new pool's socket after a reload.
const SOCKET_TIME: Duration = Duration::from_secs(3);

/// The path of a site's pool file.
pub fn pool_file(host: &Host, version: &PhpVersion, domain: &Domain) -> PathBuf {
    pools(host, version).join(format!("{domain}.conf"))
}

/// The path of a site's pool socket.
///
/// The version is part of it: two masters with the same socket would end each other.
pub fn socket(host: &Host, version: &PhpVersion, domain: &Domain) -> PathBuf {
    let name = if domain.as_str().len() <= MAX_SOCKET_NAME {
        domain.to_string()
    } else {
        hex(digest(&SHA256, domain.as_str().as_bytes()).as_ref().get(..16).unwrap_or_default())
    };
    host.path("/run/php").join(format!("opterius-{name}-{version}.sock"))
}

/// The content of a site's pool file.
pub fn pool(
    host: &Host,
    version: &PhpVersion,
    domain: &Domain,
    user: &User,
    web_group: &str,
    error_log: &Path,
) -> String {
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
         request_terminate_timeout = {MAX_SCRIPT_TIME}s\n\
         security.limit_extensions = .php\n\
         catch_workers_output = no\n\
         php_admin_flag[log_errors] = on\n\
         php_admin_value[error_log] = {error_log}\n\
         php_value[max_execution_time] = {MAX_SCRIPT_TIME}\n\
         php_value[post_max_size] = {MAX_BODY_MIB}M\n\
         php_value[upload_max_filesize] = {MAX_BODY_MIB}M\n",
        socket = socket(host, version, domain).display(),
        error_log = error_log.display(),
    )
}

/// Settings for a shared master that serves several accounts: without them, one account can read the other's scripts in the
/// shared memory, whatever their modes, and empty it. They cannot separate APCu.
pub const RESTRICTIONS: &str = "\
; opterius-agent: the Agent overwrites this file. Accounts share the memory of this PHP: opcode cache hits check the
; permissions of the script, and no script can list or reset the cache of all.
opcache.validate_permission=1
opcache.validate_root=1
opcache.restrict_api=/etc/opterius
";

/// The file with [`RESTRICTIONS`].
pub fn restrictions_file(host: &Host, version: &PhpVersion) -> PathBuf {
    pools(host, version).with_file_name("conf.d").join("99-opterius.ini")
}

/// All pools of a version's shared master, including those of others. An unreadable file has none.
pub fn all_pools(host: &Host, version: &PhpVersion) -> Vec<Pool> {
    files(host, version).iter().flat_map(|path| pool_file::parse(&fs::read(path).unwrap_or_default())).collect()
}

/// The pool files with our mark.
pub fn marked_pools(host: &Host, version: &PhpVersion) -> Vec<(PathBuf, Pool)> {
    let marked = files(host, version).into_iter().filter_map(|path| {
        let bytes = fs::read(&path).ok().filter(|bytes| bytes.starts_with(MARK.as_bytes()))?;
        Some((path, pool_file::parse(&bytes).into_iter().next().unwrap_or_default()))
    });
    marked.collect()
}

/// The files that a version's shared master includes.
fn files(host: &Host, version: &PhpVersion) -> Vec<PathBuf> {
    let entries = fs::read_dir(pools(host, version)).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|found| found == "conf")).collect()
}

/// Tests one pool file alone, so that pools of others do not matter.
///
/// # Errors
/// FPM rejects it; the message includes FPM's.
pub fn test_alone(host: &Host, version: &PhpVersion, file: &Path, deadline: Deadline) -> Result<(), Problem> {
    let output = test_files(host, version, file, deadline)?;
    if output.is_success() {
        return Ok(());
    }
    let program = format!("php-fpm{version}");
    Err(Problem::rejected(&program, format!("PHP {version} rejected the pool. {}", output.complaint())))
}

/// Tests the files that match a pattern.
fn test_files(host: &Host, version: &PhpVersion, pattern: &Path, deadline: Deadline) -> Result<Output, Problem> {
    let main = host.path(layout::STATE).join("php-fpm-test.conf");
    let text = format!("[global]\nerror_log = /dev/null\ninclude={}\n", pattern.display());
    files::replace(&main, text.as_bytes(), FileMode::mode(0o644)).map_err(|error| Problem::at(&main, error))?;
    let output = Tool::named(&format!("php-fpm{version}"))?.arg("-t").arg("-y").arg(&main).run(deadline);
    let _ = fs::remove_file(&main);
    output
}

/// Makes a version's shared master load its current files, if it accepts all of them. Returns a warning otherwise: what it
/// rejects is not what the Agent has written, which was tested alone.
pub fn load(host: &Host, version: &PhpVersion, deadline: Deadline) -> Option<String> {
    let files = files(host, version);
    let tested = if files.is_empty() {
        Ok(())
    } else if host.is_machine() {
        Tool::named(&format!("php-fpm{version}")).and_then(|tool| tool.arg("-t").succeed(deadline)).map(drop)
    } else {
        test_files(host, version, &pools(host, version).join("*.conf"), deadline)
            .and_then(|output| if output.is_success() { Ok(()) } else { Err(Problem::Failed(output.complaint())) })
    };
    match tested {
        Ok(()) => reload(host, version, files.is_empty(), deadline),
        Err(problem) => Some(format!(
            "PHP {version} keeps its previous pools, because it rejects its files. This is not caused by this change: {} \
             Correct the file, then run: systemctl reload-or-restart {}",
            problem.message(),
            service(version)
        )),
    }
}

/// Makes the running shared master of a version reload its pools; stops it without any, because it would not start again.
/// Returns a warning on failure.
fn reload(host: &Host, version: &PhpVersion, is_empty: bool, deadline: Deadline) -> Option<String> {
    if !host.is_machine() {
        return None;
    }
    let service = service(version);
    let reloaded = if host.has_systemd() {
        let action = if is_empty { "stop" } else { "reload-or-restart" };
        systemctl::succeed_within(RELOAD_TIME, [action, &service], deadline).map(drop)
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

/// Makes every version load its pools. Returns warnings.
pub fn load_all(host: &Host, deadline: Deadline) -> Vec<String> {
    versions::installed(host).iter().filter_map(|version| load(host, version, deadline)).collect()
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
pub fn await_socket(host: &Host, version: &PhpVersion, domain: &Domain, deadline: Deadline) {
    let (socket, deadline) = (socket(host, version, domain), deadline.sooner(SOCKET_TIME));
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
        let version = PhpVersion::parse("php_version", "8.2").unwrap();
        let socket = |domain: &Domain| socket(&host, &version, domain);
        assert_eq!(socket(&domain("example.com")), Path::new("/run/php/opterius-example.com-8.2.sock"));
        let long = domain(&format!("{}.example.com", "abcdefghi.".repeat(20).trim_end_matches('.')));
        assert!(socket(&long).as_os_str().len() < 108);
        assert_ne!(socket(&long), socket(&domain(&format!("x.{long}"))));
    }
}
