//! Whether the daemon gets what doctor gets from the license server. Doctor sends the same request, but from its own
//! environment, with the files of this moment, and as root; where the two results differ, the daemon's counts.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::doctor::context::Context;
use crate::doctor::daemon_status::DaemonStatus;
use crate::doctor::finding::{Finding, Verdict};
use crate::doctor::process::Process;
use crate::doctor::reach::{FileAccess, obstacle};
use crate::license::client::LicenseConfig;
use opterius_base::clock::Timestamp;
use opterius_license::outcome::{Failure, Outcome, ParsedAnswer};

/// The variables that name a proxy, and then those that exclude hosts from it.
const VARIABLES: [&str; 8] =
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"];

const ENVIRONMENT: &str = "set proxy=… in agent.conf, which overrides the environment, then run: systemctl reload \
                           opterius-agent; or compare: systemctl show -p Environment opterius-agent";
const SANDBOX: &str = "put such files into /etc/opterius, and review the unit: systemctl cat opterius-agent";
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

/// Compares the daemon's latest check with doctor's.
pub fn results(context: &Context<'_>) -> Option<Finding> {
    let (network_path, status) = (context.network_path.as_ref()?, context.status.as_ref()?);
    let config = network_path.config();
    config.key.as_ref()?;
    let verdict = status.latest_verdict();
    if verdict.is_empty() {
        // The first check is in progress.
        return None;
    }
    let own = Reached::by_doctor(network_path.parsed_answer());
    let daemons = Reached::by_daemon(&verdict, status.is_valid());
    if own == daemons {
        let mut finding = Finding::pass(format!("doctor and the daemon both get {}", own.word()));
        add_surroundings(&mut finding, context, config);
        return Some(finding);
    }
    let (at, state) = (status.text("last_checked_at"), status.text("state"));
    let (own_word, word) = (own.word(), daemons.word());
    let mut finding =
        Finding::pass(format!("doctor gets {own_word}, the daemon {word} ({verdict} at {at}; {state} now)"));
    if verdict == "granted" && !status.is_valid() {
        // The license server agrees with doctor; time restricts the license.
        finding.add_warning(&status.text("message"), "compare the clocks: timedatectl");
    }
    add_surroundings(&mut finding, context, config);
    add_changes(&mut finding, context, config, status);
    if finding.verdict == Verdict::Pass {
        let reverify = context.command("reverify");
        if own < daemons {
            finding.add_warning("the daemon asked earlier", &reverify);
            return Some(finding);
        }
        if context.system.is_root {
            finding.add_warning("no lasting cause is visible", &reverify);
        } else {
            finding.add_warning("only root sees why", &format!("sudo {}", context.command("doctor")));
        }
    }
    finding.verdict = Verdict::Fail;
    Some(finding)
}

/// Adds what makes every check of the daemon differ from doctor's.
fn add_surroundings(finding: &mut Finding, context: &Context<'_>, config: &LicenseConfig) {
    let process = context.process();
    let authorities = config.ca_file.as_deref();
    let is_environment_used = config.proxy.is_none() && !config.server.is_plain() && !config.server.is_loopback();
    if is_environment_used && let Some(environment) = process.as_ref().and_then(Process::environment) {
        for difference in differences(&environment, &|name| std::env::var_os(name)) {
            finding.add_warning(&difference, ENVIRONMENT);
        }
    }
    if let Some(process) = process {
        let own = &context.system.config_path;
        if let Some(path) = process.config_path()
            && let Ok(real) = fs::canonicalize(&path)
            && fs::canonicalize(own).is_ok_and(|own| own != real)
        {
            let path = path.display();
            let seen = format!("the daemon uses another configuration file, {path}");
            finding.add_warning(&seen, &format!("opterius-agent --config {path} doctor"));
        }
        let asked_with = [Some(Path::new("/etc/hosts")), Some(Path::new("/etc/resolv.conf")), authorities];
        for file in asked_with.into_iter().flatten().filter(|file| process.sees_another(file)) {
            let seen = format!("the daemon sees another {0}, or none: its unit hides or replaces it", file.display());
            finding.add_warning(&seen, SANDBOX);
        }
    }
    if let Some(process) = process.filter(Process::has_other_network) {
        finding.add_warning("the daemon is in another network namespace", &context.command_beside(process));
    }
    if let Some(path) = authorities
        && context.agent.uid.is_some()
        && let Some(obstacle) = obstacle(path, &context.agent, FileAccess::Read)
    {
        let mode = if obstacle.place == path { "o+r" } else { "o+x" };
        let seen =
            format!("{} cannot read license_ca_file: {}", context.agent.name, obstacle.describe(&context.register));
        finding.add_warning(&seen, &format!("chmod {mode} {}; {RELOAD}", obstacle.place.display()));
    }
}

/// Adds what changed since the daemon read it.
fn add_changes(finding: &mut Finding, context: &Context<'_>, config: &LicenseConfig, status: &DaemonStatus) {
    let machine_id = context.system.path("/etc/machine-id");
    let files =
        [(Some(&context.system.config_path), RELOAD), (config.ca_file.as_ref(), RELOAD), (Some(&machine_id), RESTART)];
    for (file, fix) in files {
        if let (Some(file), Some(read_at)) = (file, status.instant("config_read_at"))
            && changed_at(file).is_some_and(|changed_at| changed_at > read_at)
        {
            finding.add_warning(&format!("{} changed after the daemon read it", file.display()), fix);
        }
    }
    if context.process().as_ref().is_some_and(Process::is_replaced) {
        finding.add_warning("the daemon's program was replaced after it started", RESTART);
    }
}

/// When the file was last written or put in its place.
fn changed_at(file: &Path) -> Option<Timestamp> {
    let metadata = fs::metadata(file).ok()?;
    Some(Timestamp::from_unix(metadata.mtime().max(metadata.ctime())))
}

/// The proxy variables that differ between the daemon's environment and this process's, without their values, which can
/// contain passwords. An empty variable is like none.
fn differences(daemons: &[u8], own: &dyn Fn(&str) -> Option<OsString>) -> Vec<String> {
    let mut differences = Vec::new();
    let mut is_proxied = false;
    for name in VARIABLES {
        let daemons = value(daemons, name);
        let own = own(name).unwrap_or_default();
        // Without a proxy, there is nothing to make an exception from: the exceptions are last.
        let is_unset = daemons.is_empty() && own.is_empty();
        is_proxied |= !(is_unset || name.eq_ignore_ascii_case("NO_PROXY"));
        if is_proxied && daemons != own.as_bytes() {
            let how = match (daemons.is_empty(), own.is_empty()) {
                (false, true) => "is set for the daemon only",
                (true, false) => "is set for doctor only",
                _ => "differs between the daemon and doctor",
            };
            differences.push(format!("{name} {how}"));
        }
    }
    differences
}

/// The value of a variable in an environment; empty if it is not set.
fn value<'a>(environment: &'a [u8], name: &str) -> &'a [u8] {
    let mut variables = environment.split(|byte| *byte == 0);
    variables.find_map(|text| text.strip_prefix(name.as_bytes())?.strip_prefix(b"=")).unwrap_or_default()
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
            ("ALL_PROXY=x\0", &[("ALL_PROXY", "y")], &["ALL_PROXY differs between the daemon and doctor"]),
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
