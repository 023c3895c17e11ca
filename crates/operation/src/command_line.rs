//! The command line: the helper's tasks, and the host that they run on. The host and its certificate authority are
//! configured in agent.conf, which is only trusted if no one but root can write to it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use lexopt::{Arg, Parser};
use rustix::process::geteuid;

use crate::operations::adopt::{self, Adoption};
use crate::operations::{certificate_renewed, check};
use crate::serve;
use crate::servers::php::idle;
use opterius_base::clock::monotonic_microseconds;
use opterius_base::deadline::Deadline;
use opterius_daemon::config_file::{self, Entries, Error, Key};
use opterius_daemon::log::{LogTarget, Logger, SYSLOG_SOCKET};
use opterius_daemon::output::{self, say};
use opterius_daemon::{EXIT_FAILURE, EXIT_PERMISSION, EXIT_USAGE};
use opterius_host::config::{self, HostKey};
use opterius_host::helper::protocol::LONGEST;
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::problem::Problem;

/// The program's name, which starts every line that it prints.
const NAME: &str = "opterius-operation";

/// The name in the log: the Agent's, so that operators find all of its lines in one place.
const LOG_NAME: &str = "opterius-agent";

/// Time limit for adopting accounts.
const ADOPTION_TIME: Duration = Duration::from_secs(600);

/// Time limit for ending idle PHP masters.
const IDLE_TIME: Duration = Duration::from_secs(20);

/// What `--help` prints.
pub const HELP: &str = "\
opterius-operation: performs one operation on this server, as root, for the Opterius Agent

Usage:
  opterius-operation [--config PATH]          perform the operation requested on stdin (for the Agent)
  opterius-operation [--config PATH] adopt    adopt existing accounts
  opterius-operation [--config PATH] check    see whether nginx serves every site as written (for doctor)
  opterius-operation [--config PATH] renewed  serve the certificate that certbot has just renewed (for its hook)
  opterius-operation [--config PATH] end-idle-php
                                              end the PHP processes of accounts without visitors (for a timer)

Options:
  --config PATH    the Agent's configuration file (default: /etc/opterius/agent.conf)
  --version        print the version
  --help           print this help

Exit codes:
  0   success; for an operation on stdin, a reply was written, even if it reports a failure
  1   failure
  64  usage error
  77  not running as root, or the configuration file is missing, invalid, or writable for users other than root
";

/// The task to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    /// Perform the operation requested on stdin.
    Serve,
    /// Adopt existing accounts.
    Adopt,
    /// See whether nginx serves every site as written.
    Check,
    /// As certbot's hook, serve a site with the certificate that certbot has just renewed.
    Renewed,
    /// As a systemd timer, end the PHP masters of accounts without visitors.
    EndIdlePhp,
    /// Print the version.
    Version,
    /// Print the help.
    Help,
}

/// Runs the program with these arguments, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let code = match parse(arguments) {
        Ok((_, Task::Help)) => say(HELP),
        Ok((_, Task::Version)) => say(concat!("opterius-operation ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok((config, Task::Serve)) => match serve::serve(host(&config)) {
            Ok(()) => 0,
            Err(error) => {
                complain(&format!("cannot write the reply: {error}"));
                EXIT_FAILURE
            }
        },
        Ok((config, Task::Adopt)) => on_host(&config, adopt),
        Ok((config, Task::Check)) => on_host(&config, |host| Ok(check::check(host, Deadline::within(LONGEST)))),
        Ok((config, Task::Renewed)) => on_host(&config, renewed),
        Ok((config, Task::EndIdlePhp)) => on_host(&config, end_idle_php),
        Err(sentence) => {
            complain(&format!("{sentence}\nTry: opterius-operation --help"));
            EXIT_USAGE
        }
    };
    ExitCode::from(code)
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<(PathBuf, Task), String> {
    let mut config = PathBuf::from(layout::CONFIG);
    let mut task = None;
    let mut information = None;
    let mut parser = Parser::from_iter(arguments);
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => information = Some(Task::Help),
            Arg::Long("version") | Arg::Short('V') => information = Some(Task::Version),
            Arg::Long("config") => config = config_file::absolute(parser.value().map_err(|error| error.to_string())?),
            Arg::Value(value) if task.is_none() => {
                task = Some(match value.to_str() {
                    Some("adopt") => Task::Adopt,
                    Some("check") => Task::Check,
                    Some("renewed") => Task::Renewed,
                    Some("end-idle-php") => Task::EndIdlePhp,
                    _ => return Err(format!("unknown task “{}”", value.to_string_lossy())),
                });
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    Ok((config, information.or(task).unwrap_or(Task::Serve)))
}

/// Prints one line to stderr, prefixed with the program's name.
fn complain(text: &str) {
    output::complain(NAME, text);
}

fn on_host(config: &Path, task: impl FnOnce(&Host) -> Result<String, Problem>) -> u8 {
    let host = match host(config) {
        Ok(host) => host,
        Err(sentence) => {
            complain(&sentence);
            return EXIT_PERMISSION;
        }
    };
    match task(&host) {
        Ok(text) => say(&text),
        Err(problem) => {
            complain(&problem.message());
            EXIT_FAILURE
        }
    }
}

/// The configured host.
///
/// # Errors
/// This process is not root, or the configuration cannot be trusted.
fn host(config: &Path) -> Result<Host, String> {
    if !geteuid().is_root() {
        return Err("operations need root privileges".to_owned());
    }
    let shown = config.display();
    let metadata = fs::metadata(config).map_err(|error| format!("{shown}: {error}"))?;
    if metadata.uid() != 0 || metadata.mode() & 0o022 != 0 {
        return Err(format!(
            "users other than root can write to {shown}, so it cannot be trusted. Run: chown root:opterius {shown}; \
             chmod 0640 {shown}"
        ));
    }
    let (host, target) = configured(config).map_err(|error| error.to_string())?;
    Logger::new(LOG_NAME, target, Path::new(SYSLOG_SOCKET)).install();
    Ok(host)
}

/// The keys of agent.conf that the helper uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Host(HostKey),
    AllowedHosts,
    Log,
}

impl From<HostKey> for Known {
    fn from(key: HostKey) -> Self {
        Self::Host(key)
    }
}

impl Key for Known {
    const SUBJECT: &'static str = "the helper";
    const VITAL: &'static [&'static str] = &[];
    const KEYS: &'static [(&'static str, Self)] = &[
        ("allowed_hosts", Self::AllowedHosts),
        ("log", Self::Log),
        ("host_root", Self::Host(HostKey::Root)),
        ("acme_server", Self::Host(HostKey::AcmeServer)),
        ("acme_ca_file", Self::Host(HostKey::AcmeAuthority)),
    ];
}

/// The host and the log target, from agent.conf. The Agent validates the other keys.
fn configured(config: &Path) -> Result<(Host, LogTarget), Error> {
    let text = config_file::read(config, "Create it as described for the Agent")?;
    let name = config.display().to_string();
    let entries = Entries::<Known>::parse(&text, &name, &mut Vec::new())?;
    let acme = config::acme(&entries, check_url)?;
    let mut host = Host::new(config::root(&entries)?, acme, config.to_owned());
    host.agent_names = entries.host_names(Known::AllowedHosts)?;
    Ok((host, entries.log_target(Known::Log)?))
}

/// Accepts what certbot accepts as a URL; the Agent is stricter.
fn check_url(url: &str) -> Result<(), String> {
    let is_url = url.starts_with("https://") || url.starts_with("http://");
    if is_url && url.bytes().all(|byte| byte.is_ascii_graphic()) { Ok(()) } else { Err("is not a URL".to_owned()) }
}

fn adopt(host: &Host) -> Result<String, Problem> {
    let Adoption { adopted, obstacles, zones, databases } = adopt::adopt(host, Deadline::within(ADOPTION_TIME))?;
    let mut lines: Vec<String> = adopted.iter().map(|name| format!("Adopted: {name}\n")).collect();
    lines.extend(obstacles.iter().map(|obstacle| format!("Not managed: {obstacle}\n")));
    lines.extend(zones.iter().chain(&databases).map(|sentence| format!("{sentence}\n")));
    if lines.is_empty() {
        lines.push("All accounts on this server have already been adopted.\n".to_owned());
    }
    Ok(lines.concat())
}

/// certbot passes the certificate to its hook in the environment.
fn renewed(host: &Host) -> Result<String, Problem> {
    let lineage = env::var_os("RENEWED_LINEAGE").ok_or_else(|| {
        Problem::Unavailable("RENEWED_LINEAGE is not set: only certbot's deploy hook can run this".to_owned())
    })?;
    certificate_renewed::serve(host, Path::new(&lineage), Deadline::within(LONGEST))?;
    Ok(String::new())
}

fn end_idle_php(_: &Host) -> Result<String, Problem> {
    let machine_time = Duration::from_micros(monotonic_microseconds());
    idle::end(machine_time, Deadline::within(IDLE_TIME)).map(|_| String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<(PathBuf, Task), String> {
        parse(std::iter::once("opterius-operation").chain(arguments.iter().copied()).map(OsString::from))
    }

    #[test]
    fn only_documented_arguments_are_accepted() {
        let table: [(&[&str], &str, Task); 9] = [
            (&["end-idle-php"], layout::CONFIG, Task::EndIdlePhp),
            (&[], layout::CONFIG, Task::Serve),
            (&["--config", "/x"], "/x", Task::Serve),
            (&["adopt"], layout::CONFIG, Task::Adopt),
            (&["check"], layout::CONFIG, Task::Check),
            (&["--config=/x", "renewed"], "/x", Task::Renewed),
            (&["renewed", "--config", "/x"], "/x", Task::Renewed),
            (&["--version"], layout::CONFIG, Task::Version),
            (&["adopt", "--help"], layout::CONFIG, Task::Help),
        ];
        for (arguments, config, task) in table {
            assert_eq!(parsed(arguments), Ok((PathBuf::from(config), task)), "{arguments:?}");
        }
        for (arguments, word) in
            [(&["adpot"][..], "adpot"), (&["adopt", "x"], "x"), (&["--confg"], "--confg"), (&["--config"], "--config")]
        {
            let sentence = parsed(arguments).unwrap_err();
            assert!(sentence.contains(word), "{arguments:?}: {sentence}");
        }
    }
}
