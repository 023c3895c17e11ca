//! Host operations: whether they work, whether every account is managed, and whether certbot writes below a home directory.

use std::fs;
use std::io::ErrorKind;

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use opterius_host::helper::client::HelperMode;
use opterius_host::host::Host;
use opterius_host::layout::PUBLISHED;
use opterius_host::layout::SOCKET;
use opterius_host::layout::WEBROOT;
use opterius_host::lines;
use opterius_host::sites::public_suffix::PublicSuffixes;
use opterius_host::sites::{site_record, unmanaged_sites};

/// The socket unit of the helper.
const UNIT: &str = "opterius-operation.socket";

/// certbot's renewal configurations.
const RENEWALS: &str = "/etc/letsencrypt/renewal";

/// The most names listed.
const LISTED: usize = 5;

/// Whether the Agent can run host operations.
pub fn reachable(context: &Context<'_>) -> Option<Finding> {
    let mode = context.config()?.operations;
    let program = context.system.probe.helper();
    if mode != HelperMode::Off && !program.is_file() {
        let problem = format!("the helper program {} does not exist", program.display());
        return Some(Finding::fail(problem, "apt-get install --reinstall opterius-agent"));
    }
    let socket = context.system.path(SOCKET).exists();
    let active = context.system.probe.tool("systemctl", &["is-active", UNIT]);
    let active = active.is_ok_and(|output| output.is_success());
    Some(judge_mode(mode, socket, !context.system.has_systemd() || active, context.agent.uid == Some(0)))
}

fn judge_mode(mode: HelperMode, socket: bool, active: bool, agent_is_root: bool) -> Finding {
    let start = format!("systemctl enable --now {UNIT}");
    match mode {
        HelperMode::Off => Finding::warn(
            "disabled by operations=off: the Panel cannot change accounts, sites or certificates",
            "remove the line from agent.conf, then run: systemctl reload opterius-agent",
        ),
        HelperMode::Auto | HelperMode::Helper if socket && active => {
            Finding::pass(format!("through the helper at {SOCKET}"))
        }
        HelperMode::Auto | HelperMode::Helper if socket => {
            Finding::fail(format!("{SOCKET} exists, but {UNIT} is not active"), format!("systemctl restart {UNIT}"))
        }
        HelperMode::Auto | HelperMode::Child if agent_is_root => {
            Finding::pass("through a child process of the Agent, which runs as root")
        }
        HelperMode::Auto | HelperMode::Helper => Finding::fail(format!("{SOCKET} does not exist"), start),
        HelperMode::Child => Finding::fail(
            "operations=child, but the Agent does not run as root",
            format!("set operations=auto in agent.conf, then run: {start}; systemctl reload opterius-agent"),
        ),
    }
}

/// Whether the Agent manages every account on this host.
pub fn accounts(context: &Context<'_>) -> Option<Finding> {
    let missing = match unmanaged_sites::missing(&context.host()?) {
        Err(problem) => return Some(Finding::warn(problem.message(), "ls -l /etc/passwd /etc/group /etc/sudoers")),
        Ok(missing) => missing,
    };
    let free = missing.iter().filter(|candidate| candidate.obstacle.is_none());
    let names: Vec<String> = free.map(|candidate| candidate.username.to_string()).collect();
    let unfit = unmanaged_sites::unfit_accounts(&context.host()?).unwrap_or_default();
    let obstacle = missing.iter().find_map(|candidate| candidate.obstacle.as_ref()).or(unfit.first());
    Some(match obstacle {
        _ if !names.is_empty() => {
            Finding::warn(format!("not managed yet: {}", listed(&names)), context.command("operation adopt"))
        }
        Some(obstacle) => Finding::warn(
            format!("a user with a site cannot be managed: {obstacle}"),
            format!("correct it, then run: {}", context.command("operation adopt")),
        ),
        None => Finding::pass("the Agent manages every user with a site"),
    })
}

/// Whether every published record can be read. They are copies, which the next change of any site rebuilds.
pub fn records(context: &Context<'_>) -> Option<Finding> {
    let adopt = context.command("operation adopt");
    Some(match site_record::read_all(&context.host()?) {
        Err(_) if !context.system.is_root => context.needs_root(PUBLISHED),
        Err(problem) => Finding::warn(problem.message(), adopt),
        Ok(published) if published.damaged.is_empty() => {
            Finding::pass(format!("published records of sites: {}, all readable", published.records.len()))
        }
        Ok(published) => {
            let domains: Vec<String> = published.damaged.iter().map(|(domain, _)| domain.to_string()).collect();
            Finding::warn(format!("the published records of these sites cannot be read: {}", listed(&domains)), adopt)
        }
    })
}

/// Whether the complete list of public suffixes is installed.
pub fn public_suffixes(context: &Context<'_>) -> Option<Finding> {
    let host = context.host().filter(Host::is_machine)?;
    Some(match PublicSuffixes::read(&host).is_installed() {
        true => Finding::pass("the list of public suffixes is installed"),
        false => Finding::warn(
            "the list of public suffixes is not installed: the Agent refuses sites at common ones such as co.uk, but not at all",
            "apt-get install publicsuffix",
        ),
    })
}

fn listed(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(LISTED).map(String::as_str).collect();
    let more = names.len().saturating_sub(LISTED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}

/// Whether certbot, as root, writes below a home directory, where the owner's symbolic links can redirect it anywhere.
pub fn renewals(context: &Context<'_>) -> Option<Finding> {
    let directory = context.host()?.path(RENEWALS);
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Some(Finding::pass("certbot renews no certificates here"));
        }
        Err(_) => return Some(context.needs_root(RENEWALS)),
    };
    let (mut count, mut risky) = (0_usize, Vec::new());
    for path in entries.flatten().map(|entry| entry.path()) {
        let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".conf")) else { continue };
        let bytes = match lines::read(&path) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return Some(context.needs_root(&path.display().to_string()));
            }
            Err(_) => continue,
            Ok(bytes) => bytes,
        };
        count = count.saturating_add(1);
        if renews_through_home(&lines::lossy(&bytes)) {
            risky.push(name.to_owned());
        }
    }
    if risky.is_empty() {
        return Some(Finding::pass(format!("certificates renewed by certbot: {count}, none through a home directory")));
    }
    risky.sort();
    let seen = format!("certbot, as root, follows a tenant's symbolic links when it renews {}", listed(&risky));
    let fix = format!(
        "reissue the certificate in the Panel; or set webroot_path = {WEBROOT}, also below [[webroot_map]], in {RENEWALS}/NAME.conf"
    );
    Some(Finding::warn(seen, fix))
}

/// Looks for `webroot_path = /home/…`, and for such paths in `[[webroot_map]]`, whose keys are domains.
pub fn renews_through_home(text: &str) -> bool {
    let mut in_map = false;
    text.lines().map(str::trim).any(|line| {
        if line.starts_with('[') {
            in_map = line == "[[webroot_map]]";
        }
        let Some((key, value)) = line.split_once('=') else { return false };
        let paths = value.split(',').map(|path| path.trim().trim_matches(['"', '\'']));
        (in_map || key.trim() == "webroot_path") && paths.into_iter().any(|path| path.starts_with("/home/"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    #[test]
    fn operations_need_a_helper_or_root() {
        let table = [
            (HelperMode::Auto, true, true, false, Verdict::Pass),
            (HelperMode::Auto, true, false, false, Verdict::Fail),
            (HelperMode::Auto, false, false, true, Verdict::Pass),
            (HelperMode::Auto, false, false, false, Verdict::Fail),
            (HelperMode::Helper, false, false, true, Verdict::Fail),
            (HelperMode::Child, true, true, false, Verdict::Fail),
            (HelperMode::Child, false, false, true, Verdict::Pass),
            (HelperMode::Off, true, true, true, Verdict::Warn),
        ];
        for (mode, socket, active, root, verdict) in table {
            assert_eq!(judge_mode(mode, socket, active, root).verdict, verdict, "{mode:?} {socket} {active} {root}");
        }
    }

    #[test]
    fn a_webroot_below_a_home_directory_is_found() {
        let table = [
            ("[renewalparams]\nwebroot_path = /home/alice/public_html,\n", true),
            ("webroot_path = /var/lib/opterius/acme, /home/bob/x\n", true),
            ("webroot_path = /var/lib/opterius/acme,\n[[webroot_map]]\na.example = /home/alice/x\n", true),
            ("[[webroot_map]]\na.example = /var/lib/opterius/acme\n", false),
            ("authenticator = nginx\nnote = /home/alice\n", false),
            ("", false),
        ];
        for (text, expected) in table {
            assert_eq!(renews_through_home(text), expected, "{text}");
        }
    }
}
