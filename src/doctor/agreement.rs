//! Whether the daemon gets what doctor gets from the license server. Doctor sends the same request, but from its own
//! environment, with the files of this moment, and as root; where the two results differ, the daemon's counts.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::doctor::context::Context;
use crate::doctor::daemon_status::DaemonStatus;
use crate::doctor::finding::Finding;
use crate::doctor::process::Process;
use crate::doctor::reach::{FileAccess, obstacle};
use crate::license::client::LicenseConfig;
use opterius_base::clock::Timestamp;
use opterius_license::outcome::{Failure, Outcome, ParsedAnswer};

/// The variables that name a proxy, and those that exclude hosts from it.
const PROXIES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"];
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];

const ENVIRONMENT: &str = "set proxy=… in agent.conf, which overrides the environment, then run: systemctl reload \
                           opterius-agent; or compare: systemctl show -p Environment opterius-agent";
const RELOAD: &str = "systemctl reload opterius-agent";
const RESTART: &str = "systemctl restart opterius-agent";

/// What asking the license server led to; the later, the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    /// No answer, or none that counts.
    Nothing,
    /// An answer, but no valid license.
    Denial,
    /// A valid license.
    Grant,
}

impl Reached {
    fn by_doctor(answer: Option<&Result<ParsedAnswer, Failure>>) -> Self {
        match answer.and_then(|answer| answer.as_ref().ok()).map(|parsed| &parsed.outcome) {
            Some(Outcome::Granted { .. }) => Self::Grant,
            Some(Outcome::Denied { .. }) => Self::Denial,
            Some(Outcome::Inconclusive(_)) | None => Self::Nothing,
        }
    }

    /// `verdict` is that of the latest check.
    fn by_daemon(verdict: &str, is_valid: bool) -> Self {
        match verdict {
            "granted" if is_valid => Self::Grant,
            "granted" => Self::Denial,
            _ if verdict.starts_with("denied") => Self::Denial,
            _ => Self::Nothing,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Nothing => "no usable answer",
            Self::Denial => "no valid license",
            Self::Grant => "a valid license",
        }
    }
}

/// Why the daemon's result can differ, and the fix.
type Cause = (String, String);

/// Compares the daemon's latest check with doctor's.
pub fn results(context: &Context<'_>) -> Option<Finding> {
    let (network_path, status) = (context.network_path.as_ref()?, context.status()?);
    let config = network_path.config();
    config.key.as_ref()?;
    let verdict = status.text("/recent_checks/0/verdict");
    if verdict.is_empty() {
        // The first check is in progress.
        return None;
    }
    let own = Reached::by_doctor(network_path.parsed_answer());
    let daemons = Reached::by_daemon(&verdict, status.is_valid());
    let mut causes = surroundings(context, config);
    if own == daemons {
        let seen = format!("doctor and the daemon both get {}", own.word());
        return Some(match join(&causes) {
            None => Finding::pass(seen),
            Some((cause, fix)) => Finding::warn(format!("{seen}, but {cause}"), fix),
        });
    }
    causes.extend(changes(context, config, status));
    Some(judge(context, own, daemons, &describe(status, &verdict), &causes))
}

/// The daemon's result, with its own words.
fn describe(status: &DaemonStatus, verdict: &str) -> String {
    let restriction = match verdict {
        "granted" => format!(", but now it is {}: {}", status.text("/state"), status.text("/message")),
        _ => String::new(),
    };
    format!("{verdict} at {}{restriction}", status.text("/last_checked_at"))
}

fn judge(context: &Context<'_>, own: Reached, daemons: Reached, theirs: &str, causes: &[Cause]) -> Finding {
    let seen = format!("doctor gets {}, the daemon {} ({theirs})", own.word(), daemons.word());
    let reverify = context.command("reverify");
    match join(causes) {
        Some((cause, fix)) => Finding::fail(format!("{seen}; {cause}"), fix),
        // The daemon's result is the older one.
        None if own < daemons => {
            Finding::warn(format!("{seen}; the next check of the daemon will show more"), reverify)
        }
        None if !context.system.is_root => {
            Finding::fail(format!("{seen}; only root sees why"), format!("sudo {}", context.command("doctor")))
        }
        None => Finding::fail(format!("{seen}; no lasting cause is visible"), reverify),
    }
}

fn join(causes: &[Cause]) -> Option<Cause> {
    let mut fixes: Vec<&str> = causes.iter().map(|(_, fix)| fix.as_str()).collect();
    fixes.dedup();
    let seen: Vec<&str> = causes.iter().map(|(seen, _)| seen.as_str()).collect();
    (!causes.is_empty()).then(|| (seen.join("; "), fixes.join("; ")))
}

/// What makes every check of the daemon differ from doctor's.
fn surroundings(context: &Context<'_>, config: &LicenseConfig) -> Vec<Cause> {
    let mut causes = Vec::new();
    let process = context.process();
    let is_environment_used = config.proxy.is_none() && !config.server.is_plain() && !config.server.is_loopback();
    if is_environment_used && let Some(environment) = process.as_ref().and_then(Process::environment) {
        let differences = differences(&environment, &|name| std::env::var_os(name));
        if !differences.is_empty() {
            let seen = format!("their environments differ: {}", differences.join(", "));
            causes.push((seen, ENVIRONMENT.to_owned()));
        }
    }
    if let Some(process) = process.filter(Process::has_other_network) {
        let seen = "the daemon is in another network namespace".to_owned();
        causes.push((seen, context.command_beside(process)));
    }
    if let Some(path) = &config.authorities_file
        && context.agent.uid.is_some()
        && let Some(obstacle) = obstacle(path, &context.agent, FileAccess::Read)
    {
        let (shown, mode) = (path.display(), if obstacle.place == *path { "o+r" } else { "o+x" });
        let seen = format!(
            "{} cannot read license_ca_file {shown}: {}",
            context.agent.name,
            obstacle.describe(&context.register)
        );
        causes.push((seen, format!("chmod {mode} {}; {RELOAD}", obstacle.place.display())));
    }
    causes
}

/// What changed since the daemon read it.
fn changes(context: &Context<'_>, config: &LicenseConfig, status: &DaemonStatus) -> Vec<Cause> {
    let mut causes = Vec::new();
    let machine_id = context.system.path("/etc/machine-id");
    let files = [
        (Some(context.system.config_path.as_path()), RELOAD),
        (config.authorities_file.as_deref(), RELOAD),
        (Some(machine_id.as_path()), RESTART),
    ];
    let read_at = status.instant("/config_read_at");
    for (file, fix) in files {
        if let (Some(file), Some(read_at)) = (file, read_at)
            && changed_at(file).is_some_and(|changed_at| changed_at > read_at)
        {
            causes.push((format!("{} changed after the daemon read it", file.display()), fix.to_owned()));
        }
    }
    if context.process().as_ref().is_some_and(Process::is_replaced) {
        causes.push(("the daemon's program was replaced after it started".to_owned(), RESTART.to_owned()));
    }
    causes
}

/// When the file was last written or put in its place.
fn changed_at(file: &Path) -> Option<Timestamp> {
    let metadata = fs::metadata(file).ok()?;
    Some(Timestamp::from_unix(metadata.mtime().max(metadata.ctime())))
}

/// The proxy variables that differ between the daemon's environment and this process's, without their values, which can
/// contain passwords. An empty variable is like none.
fn differences(daemons: &[u8], own: &dyn Fn(&str) -> Option<OsString>) -> Vec<String> {
    let daemons = |name: &str| -> Option<&[u8]> {
        let variables = daemons.split(|byte| *byte == 0);
        let value = variables.filter_map(|text| text.strip_prefix(name.as_bytes())?.strip_prefix(b"=")).next();
        value.filter(|value| !value.is_empty())
    };
    let own = |name: &str| own(name).filter(|value| !value.is_empty());
    if PROXIES.iter().all(|name| daemons(name).is_none() && own(name).is_none()) {
        return Vec::new();
    }
    let compare = |name: &&str| match (daemons(name), own(name)) {
        (Some(_), None) => Some(format!("{name} is set for the daemon only")),
        (None, Some(_)) => Some(format!("{name} is set for doctor only")),
        (Some(daemons), Some(own)) if daemons != own.as_bytes() => Some(format!("{name} has different values")),
        _ => None,
    };
    PROXIES.iter().chain(&EXCEPTIONS).filter_map(compare).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differing_proxy_variables_are_named_without_their_values() {
        type Row = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);
        let table: [Row; 9] = [
            ("PATH=/bin\0HOME=/\0", &[("PATH", "/sbin")], &[]),
            ("HTTPS_PROXY=http://a:b@c\0", &[], &["HTTPS_PROXY is set for the daemon only"]),
            ("", &[("https_proxy", "http://a:b@c")], &["https_proxy is set for doctor only"]),
            ("ALL_PROXY=x\0", &[("ALL_PROXY", "y")], &["ALL_PROXY has different values"]),
            ("ALL_PROXY=x\0", &[("ALL_PROXY", "x")], &[]),
            ("HTTPS_PROXY=\0", &[], &[]),
            ("MY_HTTPS_PROXY=x\0HTTPS_PROXY_TOO=x\0", &[], &[]),
            ("NO_PROXY=a\0", &[], &[]),
            (
                "NO_PROXY=a\0HTTPS_PROXY=x\0",
                &[("HTTPS_PROXY", "x"), ("no_proxy", "a")],
                &["NO_PROXY is set for the daemon only", "no_proxy is set for doctor only"],
            ),
        ];
        for (daemons, own, expected) in table {
            let own = |name: &str| own.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
            assert_eq!(differences(daemons.as_bytes(), &own), expected, "{daemons:?}");
        }
    }

    #[test]
    fn a_grant_that_no_longer_counts_is_no_grant() {
        let table = [
            ("granted", true, Reached::Grant),
            ("granted", false, Reached::Denial),
            ("denied: suspended", false, Reached::Denial),
            ("unreachable: the connection timed out", true, Reached::Nothing),
            ("unreachable: the connection timed out", false, Reached::Nothing),
        ];
        for (verdict, is_valid, expected) in table {
            assert_eq!(Reached::by_daemon(verdict, is_valid), expected, "{verdict} {is_valid}");
        }
    }
}
