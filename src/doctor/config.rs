//! agent.conf: its syntax, its permissions, the secret, and the format of the license key.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::config::EXAMPLE_SECRET;
use crate::config::file::MODE;
use crate::config::parsing::doubts;
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::doctor::reach::{FileAccess, obstacle};
use crate::doctor::shell;
use opterius_base::secret::Secret;
use opterius_daemon::config_file::Error;
use opterius_host::layout::AGENT_GROUP;
use opterius_license::license_key;
use opterius_license::reason::{MALFORMED_KEY, NO_KEY};

/// No vendor issues keys shorter than this: a shorter one was truncated.
const SHORTEST_KEY: usize = 16;

/// How to replace the secret.
const NEW_SECRET: &str = "generate one: openssl rand -hex 32; set it as secret=… in agent.conf and in the Panel under \
                          Servers → Edit; then run: systemctl restart opterius-agent";

/// The syntax and values of the file.
pub fn lines(context: &Context<'_>) -> Option<Finding> {
    let file = context.system.config_path.display();
    if let Some(finding) = authority_file(context) {
        return Some(finding);
    }
    Some(match context.loaded {
        Ok(_) => Finding::pass(format!("{file}: all settings are valid")),
        Err(Error::Permission(_)) if !context.system.is_root => context.needs_root(&file.to_string()),
        Err(error) => Finding::fail(
            error.to_string(),
            format!("{}; then rerun, because most checks need it: {}", context.editor(), context.command("doctor")),
        ),
    })
}

/// That the Agent's user cannot read license_ca_file, which root can: the Agent would not start or reload.
fn authority_file(context: &Context<'_>) -> Option<Finding> {
    let (path, agent) = (context.config()?.license.ca_file.as_ref()?, &context.agent);
    agent.uid?;
    let obstacle = obstacle(path, agent, FileAccess::Read)?;
    let place = shell::path(&obstacle.place);
    let seen = format!(
        "the Agent's user {} cannot read license_ca_file {}: {}",
        agent.name,
        path.display(),
        obstacle.describe(&context.register)
    );
    let mode = if obstacle.place == *path { "o+r" } else { "o+x" };
    Some(Finding::fail(seen, format!("chmod {mode} {place}; systemctl reload opterius-agent")))
}

/// Who can read and change the file.
pub fn permissions(context: &Context<'_>) -> Option<Finding> {
    let (agent, path) = (&context.agent, &context.system.config_path);
    // Not following links: in a directory that the Agent's user can change, that user controls where a link leads.
    let metadata = fs::symlink_metadata(path).ok()?;
    let (shown, quoted) = (path.display(), shell::path(path));
    let fix = format!("chown root:{AGENT_GROUP} {quoted}; chmod 0640 {quoted}");
    if metadata.is_symlink() {
        let copy = format!(
            "less {quoted}; if you wrote its content: cp --remove-destination \"$(realpath {quoted})\" {quoted}; {fix}"
        );
        return Some(Finding::fail(format!("{shown} is a symbolic link"), copy));
    }
    if metadata.uid() != 0 {
        let seen = format!("{shown} is not owned by root: its owner can change it, and host operations are refused");
        return Some(Finding::fail(seen, format!("less {quoted}; if you wrote its content: {fix}")));
    }
    if let Some(seen) = exposure(metadata.mode()) {
        return Some(Finding::fail(format!("{shown} {seen}"), fix));
    }
    if agent.uid.is_some()
        && let Some(obstacle) = obstacle(path, agent, FileAccess::Read)
    {
        let seen = format!("the Agent's user {} cannot read it: {}", agent.name, obstacle.describe(&context.register));
        let fix = if obstacle.place == *path { fix } else { format!("chmod o+x {}", shell::path(&obstacle.place)) };
        return Some(Finding::fail(seen, fix));
    }
    let mode = metadata.mode() & 0o7777;
    Some(Finding::pass(format!("mode {mode:04o}, owned by root: only root and the Agent have access")))
}

/// The access that a mode gives to other users.
fn exposure(mode: u32) -> Option<String> {
    let mode = mode & 0o7777;
    let is_wide = mode & !MODE & 0o777 != 0;
    is_wide.then(|| format!("has mode {mode:04o}: other users can read the secret or change the file"))
}

/// Whether the secret is set and strong enough.
pub fn secret(context: &Context<'_>) -> Option<Finding> {
    let secret = &context.config()?.secret;
    let seen = doubts(secret).join("; ");
    Some(match seen.is_empty() {
        true => Finding::pass(format!("{} characters", secret.length())),
        false if secret.expose() == EXAMPLE_SECRET => Finding::fail(seen, NEW_SECRET),
        false => Finding::warn(seen, NEW_SECRET),
    })
}

/// Unknown and repeated keys.
pub fn keys(context: &Context<'_>) -> Option<Finding> {
    let loaded = context.loaded.as_ref().ok()?;
    let doubts = doubts(&loaded.config.secret);
    let of_keys = |warning: &&String| !doubts.iter().any(|doubt| warning.ends_with(doubt));
    let odd: Vec<&str> = loaded.warnings.iter().filter(of_keys).map(String::as_str).collect();
    if odd.is_empty() {
        return Some(Finding::pass("none; no key is set twice"));
    }
    let fix = format!("remove these lines unless another program reads them: {}", context.editor());
    Some(Finding::warn(odd.join("; "), fix))
}

/// The format of the license key; only the license server knows whether the key exists.
pub fn license_key(context: &Context<'_>) -> Option<Finding> {
    let license = &context.config()?.license;
    if let Some(fault) = &license.key_fault {
        return Some(Finding::fail(fault, context.help(MALFORMED_KEY)));
    }
    let editor = context.editor();
    Some(match &license.key {
        None => Finding::fail("agent.conf sets none", context.help(NO_KEY)),
        Some(key) if key.length() < SHORTEST_KEY => {
            let fix = format!("copy the complete key from the license dashboard: {editor}");
            Finding::warn(format!("it has only {} characters", key.length()), fix)
        }
        Some(key) => match license_key::doubt(key.expose()) {
            Some(doubt) => Finding::warn(doubt, format!("compare it with the key in the license dashboard: {editor}")),
            None => Finding::pass(describe(key)),
        },
    })
}

fn describe(key: &Secret) -> String {
    format!("{} ({} characters)", key.masked(), key.length())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_can_write_the_file_and_only_its_group_can_read_it() {
        for (mode, is_exposed) in
            [(0o640, false), (0o600, false), (0o100_440, false), (0o644, true), (0o660, true), (0o641, true)]
        {
            assert_eq!(exposure(mode).is_some(), is_exposed, "{mode:o}");
        }
    }
}
