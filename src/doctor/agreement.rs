//! Whether the daemon gets what doctor gets from the license server. Doctor sends the same request, but with the files of
//! this moment, and as root; where the two results differ, the daemon's counts.

use std::fs;
use std::path::Path;

use crate::doctor::answer::expired;
use crate::doctor::context::{Context, command_with};
use crate::doctor::daemon_status::DaemonStatus;
use crate::doctor::finding::{Finding, Verdict};
use crate::doctor::process::Process;
use crate::doctor::reach::{FileAccess, obstacle};
use crate::doctor::shell;
use crate::license::client::LicenseConfig;
use crate::license::client::proxy::ProxyVariables;
use opterius_base::clock::Timestamp;
use opterius_license::outcome::{Failure, Outcome, ParsedAnswer};

const ENVIRONMENT: &str = "set proxy=… in agent.conf, which overrides the environment, then run: systemctl reload \
                           opterius-agent; or compare: systemctl show -p Environment opterius-agent";
const SANDBOX: &str = "put such files into /etc/opterius, and review the unit: systemctl cat opterius-agent";
const RELOAD: &str = "systemctl reload opterius-agent";
const CAUTION: &str = "neither reload nor restart the Agent before, because its license is valid with what it read";
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
    fn by_doctor(answer: Option<&Result<ParsedAnswer, Failure>>, now: Timestamp) -> Self {
        let parsed = answer.and_then(|answer| answer.as_ref().ok());
        match parsed.map(|parsed| &parsed.outcome) {
            Some(Outcome::Granted { .. }) if parsed.is_some_and(|parsed| expired(parsed, now).is_some()) => {
                Self::Denial
            }
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
    let own = Reached::by_doctor(network_path.parsed_answer(), context.system.clock.wall());
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
    add_changes(&mut finding, context, config, status, own);
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
    let process = context.process;
    let authorities = config.ca_file.as_deref();
    let is_environment_used =
        config.proxy.is_none() && config.servers.iter().any(|server| !server.is_plain() && !server.is_loopback());
    // Doctor itself goes the daemon's way; commands such as curl in the same shell do not. Values can contain passwords.
    if is_environment_used && let Some(daemons) = process.as_ref().and_then(Process::proxy_variables) {
        for (name, is_set_there, is_set_here) in daemons.differences(&ProxyVariables::own()) {
            let how = match (is_set_there, is_set_here) {
                (true, false) => "is set for the daemon only",
                (false, true) => "is set in this shell only",
                _ => "differs between the daemon and this shell",
            };
            finding.add_warning(&format!("{name} {how}"), ENVIRONMENT);
        }
    }
    if let Some(process) = process {
        let own = &context.system.config_path;
        if let Some(path) = process.config_path()
            && let Ok(real) = fs::canonicalize(&path)
            && fs::canonicalize(own).is_ok_and(|own| own != real)
        {
            let seen = format!("the daemon uses another configuration file, {}", path.display());
            finding.add_warning(&seen, &command_with(&path, "doctor"));
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
        finding.add_warning(&seen, &format!("chmod {mode} {}; {RELOAD}", shell::path(&obstacle.place)));
    }
}

/// Adds what changed since the daemon read it. `own` is what the files lead to as they are now.
fn add_changes(
    finding: &mut Finding,
    context: &Context<'_>,
    config: &LicenseConfig,
    status: &DaemonStatus,
    own: Reached,
) {
    let machine_id = context.system.path("/etc/machine-id");
    let files =
        [(Some(&context.system.config_path), RELOAD), (config.ca_file.as_ref(), RELOAD), (Some(&machine_id), RESTART)];
    // With these files, a daemon whose license is valid would lose it.
    let is_worse = status.is_valid() && own != Reached::Grant;
    for (file, fix) in files {
        if let Some(file) = file.filter(|file| status.predates(file)) {
            let fix = if is_worse {
                format!("check this change first: editor {}; {CAUTION}", shell::path(file))
            } else {
                fix.to_owned()
            };
            finding.add_warning(&format!("{} changed after the daemon read it", file.display()), &fix);
        }
    }
    if !is_worse && context.process.as_ref().is_some_and(Process::is_replaced) {
        finding.add_warning("the daemon's program was replaced after it started", RESTART);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
