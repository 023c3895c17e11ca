//! The accounts' own PHP masters. systemd holds the socket of each, `/run/opterius-php/<version>/<username>.sock`; the first
//! request starts the master.
//!
//! Settings and enabling links are files, which a transaction writes; [`follow_files`] brings systemd in line with them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::warn;
use rustix::event::{Timespec, poll};

use crate::servers::php::fastcgi;
use crate::servers::php::settings;
use crate::servers::php::units::{self, Instance};
use crate::servers::php::versions;
use crate::systemctl;
use opterius_base::deadline::Deadline;
use opterius_base::files::{self, FileMode};
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::problem::Problem;
use opterius_host::request::values::{PhpVersion, Username};
use opterius_host::tool::Tool;
use opterius_host::users::account::Account;
use opterius_host::users::register::User;

/// How long a master with new settings may take to answer, and one that has answered before.
const NEW_TIME: Duration = Duration::from_secs(8);
const KNOWN_TIME: Duration = Duration::from_secs(2);

/// Time limit for systemd to end a master that finishes its requests, see its unit.
const REST_TIME: Duration = Duration::from_secs(40);

/// The path of an account's socket.
pub fn socket(host: &Host, username: &str, version: &PhpVersion) -> PathBuf {
    host.path(&units::listen(version, username))
}

/// The versions for which an account has settings or an enabled socket.
pub fn of(host: &Host, username: &str) -> Vec<PhpVersion> {
    all(host).into_iter().filter(|(name, _)| name == username).map(|(_, version)| version).collect()
}

/// All accounts and versions with settings or an enabled socket, each once.
pub fn all(host: &Host) -> Vec<(String, PhpVersion)> {
    let mut found = units::enabled(host);
    for directory in fs::read_dir(host.path(layout::PHP)).into_iter().flatten().flatten() {
        let name = directory.file_name();
        let Some(version) = name.to_str().and_then(|text| PhpVersion::parse("php_version", text).ok()) else {
            continue;
        };
        let files = fs::read_dir(directory.path()).into_iter().flatten().flatten();
        let names = files.filter_map(|file| file.file_name().into_string().ok());
        let accounts = names.filter_map(|name| name.strip_suffix(".conf").map(str::to_owned));
        found.extend(accounts.map(|account| (account, version.clone())));
    }
    found.sort_by(|a, b| (&a.0, a.1.as_str()).cmp(&(&b.0, b.1.as_str())));
    found.dedup();
    found
}

/// Has FPM test settings before they are written: a master that cannot start would be started again and again, and then fail
/// every request. The test runs as root, so that the tenant's processes cannot stop it.
///
/// # Errors
/// FPM rejects them; the message includes FPM's.
pub fn test(host: &Host, user: &User, version: &PhpVersion, text: &str, deadline: Deadline) -> Result<(), Problem> {
    let program = versions::program(version)
        .ok_or_else(|| Problem::Unavailable(format!("PHP {version} is not installed on this server.")))?;
    let path = settings::path(host, &user.name, version).with_extension("test");
    // The log is the tenant's, who can make root wait for it: a lease delays whoever opens it.
    let text = text.replace(&settings::log(host, &user.name).display().to_string(), "/dev/null");
    // As root, FPM requires a user for each pool.
    let text = format!("{text}user = {0}\ngroup = {1}\n", user.uid, user.gid);
    files::replace(&path, text.as_bytes(), FileMode::mode(0o600)).map_err(|error| Problem::at(&path, error))?;
    let tool = Tool::at(program).args(["-t", "--fpm-config"]).arg(&path);
    let output =
        settings::environment().into_iter().fold(tool, |tool, (name, value)| tool.env(name, value)).run(deadline);
    let _ = fs::remove_file(&path);
    let output = output?;
    if output.is_success() {
        return Ok(());
    }
    let program = format!("php-fpm{version}");
    let sentence = format!("PHP {version} rejected the settings of “{}”. {}", user.name, output.complaint());
    Err(Problem::rejected(&program, sentence))
}

/// Makes systemd listen for an account, and checks that a master with the current settings answers. Returns a warning if one
/// that ran before does not, which is not caused by this change: a tenant can stop its own processes.
///
/// # Errors
/// systemd does not listen, or a master with new settings does not answer in time; the message has FPM's own words.
pub fn start(
    host: &Host,
    username: &str,
    version: &PhpVersion,
    is_new: bool,
    deadline: Deadline,
) -> Result<Option<String>, Problem> {
    let units = units::instance(username, version);
    let socket = socket(host, username, version);
    // A socket that has failed listens again; otherwise, starting it has no effect.
    let action = if socket.exists() { "start" } else { "restart" };
    systemctl::succeed([action, &units.socket], deadline)?;
    let text = fs::read_to_string(settings::path(host, username, version)).unwrap_or_default();
    let expected = settings::token(&text).unwrap_or_default();
    let until = deadline.sooner(if is_new { NEW_TIME } else { KNOWN_TIME });
    let mut is_reloaded = false;
    loop {
        match fastcgi::ping(&socket, until) {
            Ok(answer) if answer == expected => return Ok(None),
            // It still runs with its previous settings, and finishes its requests first.
            Ok(_) if !is_reloaded => {
                is_reloaded = true;
                systemctl::succeed(["reload", "--no-block", &units.service], until)?;
            }
            Ok(_) if until.is_over() => {
                return Ok(Some(format!(
                    "PHP {version} of “{username}” finishes long requests before it takes its new settings."
                )));
            }
            Err(error) if until.is_over() || !socket.exists() => {
                let cause = words(&units, deadline).unwrap_or_else(|| error.to_string());
                let sentence = format!("PHP {version} of “{username}” does not answer: {cause}");
                if is_new {
                    return Err(Problem::Failed(sentence));
                }
                return Ok(Some(format!("{sentence} (This is not caused by this change.)")));
            }
            _ => {}
        }
        let _ = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 20_000_000 }));
    }
}

/// Whether an account's master runs.
///
/// # Errors
/// systemctl cannot be run.
pub fn is_running(username: &str, version: &PhpVersion, deadline: Deadline) -> Result<bool, Problem> {
    let service = units::instance(username, version).service;
    Ok(systemctl::run(["--quiet", "is-active", &service], deadline)?.is_success())
}

/// Ends an account's master, which finishes its requests first. Its socket stays, so the next request starts it again.
///
/// # Errors
/// systemd does not stop it.
pub fn rest(username: &str, version: &PhpVersion, deadline: Deadline) -> Result<(), Problem> {
    stop_units(REST_TIME, ["stop", &units::instance(username, version).service], deadline)
}

/// What FPM has said last.
fn words(units: &Instance, deadline: Deadline) -> Option<String> {
    let journal = Tool::named("journalctl").ok()?;
    let journal = journal.args(["--no-pager", "--quiet", "--output=cat", "--lines=20", "--unit", &units.service]);
    let output = journal.run(deadline.sooner(Duration::from_secs(3))).ok()?.stdout;
    let lines =
        output.lines().filter(|line| line.contains("ERROR") || line.contains("WARNING") || line.contains("Failed"));
    let last: Vec<&str> = lines.collect();
    last.last().map(|line| (*line).to_owned())
}

/// The accounts and versions whose settings or enabling links are among these paths.
pub fn touched<'a>(host: &Host, paths: impl Iterator<Item = &'a Path>) -> Vec<(String, PhpVersion)> {
    let settings = host.path(layout::PHP);
    let mut found: Vec<(String, PhpVersion)> = Vec::new();
    for path in paths {
        let of_settings = || {
            let (version, name) = path.strip_prefix(&settings).ok()?.to_str()?.split_once('/')?;
            let version = PhpVersion::parse("php_version", version).ok()?;
            Some((name.strip_suffix(".conf")?.to_owned(), version))
        };
        if let Some(touched) = of_settings().or_else(|| units::linked(host, path))
            && !found.contains(&touched)
        {
            found.push(touched);
        }
    }
    found
}

/// Makes systemd's sockets follow the files of an account and version, for example after a rollback: listens if there are
/// settings and an enabling link and the account is not suspended, and stops otherwise.
pub fn follow_files(host: &Host, username: &str, version: &PhpVersion, deadline: Deadline) {
    if !host.has_systemd() {
        return;
    }
    let is_enabled = fs::symlink_metadata(units::enabling_link(host, username, version).0).is_ok();
    let is_suspended = Username::parse("username", username)
        .and_then(|username| Account::read(host, &username))
        .is_ok_and(|account| account.suspended.is_some());
    let followed = if is_enabled && !is_suspended && settings::path(host, username, version).is_file() {
        start(host, username, version, false, deadline)
    } else {
        kill(host, username, version, deadline)
    };
    match followed {
        Ok(None) => {}
        Ok(Some(warning)) => warn!("{warning}"),
        Err(problem) => warn!("PHP {version} of {username}: {}", problem.message()),
    }
}

/// Stops listening for an account, and lets its master finish its requests in the background. Returns a warning if systemd
/// does not answer.
///
/// # Errors
/// systemd does not stop the socket.
pub fn stop(host: &Host, username: &str, version: &PhpVersion, deadline: Deadline) -> Result<Option<String>, Problem> {
    let units = units::instance(username, version);
    let stopped = || {
        // The socket first: it would start the service again.
        stop_units(systemctl::TIME, ["stop", &units.socket], deadline)?;
        let _ = systemctl::run(["reset-failed", &units.socket], deadline);
        stop_units(systemctl::TIME, ["stop", "--no-block", &units.service], deadline)
    };
    or_unreachable(host, username, version, stopped())
}

/// Stops listening for an account, and kills its master with all processes that its scripts have started. Returns a warning if
/// systemd does not answer; what runs is then left to [`crate::users::end_processes`].
///
/// # Errors
/// systemd does not stop the units.
pub fn kill(host: &Host, username: &str, version: &PhpVersion, deadline: Deadline) -> Result<Option<String>, Problem> {
    let units = units::instance(username, version);
    let killed = || {
        stop_units(systemctl::TIME, ["stop", &units.socket], deadline)?;
        // These fail if there is nothing to kill, or nothing has failed.
        let _ = systemctl::run(["kill", "--signal=KILL", &units.service], deadline);
        stop_units(systemctl::TIME, ["stop", &units.service], deadline)?;
        let _ = systemctl::run(["reset-failed", &units.socket, &units.service], deadline);
        Ok(())
    };
    or_unreachable(host, username, version, killed())
}

/// A socket that systemd has not closed in time: without its path, no request reaches it, and without the enabling link, which
/// the caller has removed, what has reached it starts no master.
fn or_unreachable(
    host: &Host,
    username: &str,
    version: &PhpVersion,
    stopped: Result<(), Problem>,
) -> Result<Option<String>, Problem> {
    let Err(Problem::TimedOut(cause)) = stopped else { return stopped.map(|()| None) };
    let _ = fs::remove_file(socket(host, username, version));
    Ok(Some(format!("PHP {version} of “{username}” can no longer start, but its units are still loaded. {cause}")))
}

/// Ends PHP of an account at once, in all versions: stops and disables its sockets, and kills its masters with all
/// processes that its scripts have started. Call this before killing the user's other processes. Settings are kept: the
/// next change of an unsuspended site starts them again. Returns warnings.
///
/// # Errors
/// systemd does not stop a unit, or a link cannot be removed.
pub fn stop_all_of(host: &Host, username: &str, deadline: Deadline) -> Result<Vec<String>, Problem> {
    let mut warnings = Vec::new();
    if !host.has_systemd() {
        return Ok(warnings);
    }
    for version in of(host, username) {
        let (link, _) = units::enabling_link(host, username, &version);
        match fs::remove_file(&link) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Problem::at(&link, error)),
            _ => {}
        }
        warnings.extend(kill(host, username, &version, deadline)?);
    }
    Ok(warnings)
}

/// Stops units. Those that systemd does not know, because an interrupted operation has deleted their files, do not run.
fn stop_units<const N: usize>(time: Duration, arguments: [&str; N], deadline: Deadline) -> Result<(), Problem> {
    const NOT_LOADED: i32 = 5;
    let output = systemctl::run_within(time, arguments, deadline)?;
    if output.is_success() || output.code == Some(NOT_LOADED) {
        Ok(())
    } else {
        Err(Problem::Failed(output.complaint()))
    }
}
