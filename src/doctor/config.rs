//! agent.conf: its lines, its permissions, the secret, and the form of the license key.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::config::EXAMPLE_SECRET;
use crate::config::file::MODE;
use crate::config::parsing::doubts;
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::doctor::reach::{Access, obstacle};
use opterius_base::secret::Secret;
use opterius_daemon::config_file::Error;
use opterius_host::layout::AGENT_GROUP;
use opterius_license::reason::NO_KEY;

/// A key that is shorter than this is no key of any vendor's: it was cut off.
const SHORTEST_KEY: usize = 16;

/// How a better secret is made.
const NEW_SECRET: &str = "make one with: openssl rand -hex 32; put it into agent.conf as secret=… and into the Panel under \
                          Servers → Edit; then run: systemctl restart opterius-agent";

/// Every line of the file.
pub fn lines(context: &Context<'_>) -> Option<Finding> {
    let file = context.system.config.display();
    Some(match context.loaded {
        Ok(_) => Finding::pass(format!("{file}: every line that counts is right")),
        Err(Error::Permission(_)) if !context.system.is_root => context.needs_root(&file.to_string()),
        Err(error) => Finding::fail(
            error.to_string(),
            format!("editor {file}; then run again, for most checks need it: {}", context.command("doctor")),
        ),
    })
}

/// Who may read and change the file.
pub fn permissions(context: &Context<'_>) -> Option<Finding> {
    let (agent, path) = (&context.agent, &context.system.config);
    // As it lies there: in a directory that the Agent's user may change, a link leads wherever that user likes.
    let metadata = fs::symlink_metadata(path).ok()?;
    let shown = path.display();
    let fix = format!("chown root:{AGENT_GROUP} {shown}; chmod 0640 {shown}");
    if metadata.is_symlink() {
        let copy = format!("less {shown}; if it is yours: cp --remove-destination $(realpath {shown}) {shown}; {fix}");
        return Some(Finding::fail(format!("{shown} is a symbolic link"), copy));
    }
    if metadata.uid() != 0 {
        let belongs =
            format!("{shown} does not belong to root: its owner can change it, and host operations are refused");
        return Some(Finding::fail(belongs, format!("less {shown}; if all in it is yours: {fix}")));
    }
    if let Some(seen) = exposure(metadata.mode()) {
        return Some(Finding::fail(format!("{shown} {seen}"), fix));
    }
    if agent.uid.is_some()
        && let Some(wall) = obstacle(path, agent, Access::Read)
    {
        let seen = format!("the Agent's user {} cannot read it: {}", agent.name, wall.describe(&context.register));
        let fix = if wall.place == *path { fix } else { format!("chmod o+x {}", wall.place.display()) };
        return Some(Finding::fail(seen, fix));
    }
    Some(Finding::pass(format!("mode {:04o}, of root: nobody but root and the Agent", metadata.mode() & 0o7777)))
}

/// What a mode lets others do.
fn exposure(mode: u32) -> Option<String> {
    let mode = mode & 0o7777;
    let is_wide = mode & !MODE & 0o777 != 0;
    is_wide.then(|| format!("has mode {mode:04o}: other users can read the secret in it or change it"))
}

/// The secret: that it is one.
pub fn secret(context: &Context<'_>) -> Option<Finding> {
    let secret = &context.configuration()?.secret;
    let seen = doubts(secret).join("; ");
    Some(match seen.is_empty() {
        true => Finding::pass(format!("{} characters", secret.length())),
        false if secret.expose() == EXAMPLE_SECRET => Finding::fail(seen, NEW_SECRET),
        false => Finding::warn(seen, NEW_SECRET),
    })
}

/// Lines that do not count.
pub fn keys(context: &Context<'_>) -> Option<Finding> {
    let loaded = context.loaded.as_ref().ok()?;
    let doubts = doubts(&loaded.configuration.secret);
    let of_keys = |warning: &&String| !doubts.iter().any(|doubt| warning.ends_with(doubt));
    let odd: Vec<&str> = loaded.warnings.iter().filter(of_keys).map(String::as_str).collect();
    if odd.is_empty() {
        return Some(Finding::pass("none, and none is set twice"));
    }
    let fix =
        format!("unless another program reads them, take these lines out: editor {}", context.system.config.display());
    Some(Finding::warn(odd.join("; "), fix))
}

/// The form of the license key. Which keys there are, the license server knows.
pub fn license_key(context: &Context<'_>) -> Option<Finding> {
    Some(match &context.configuration()?.license.key {
        None => Finding::fail("agent.conf has none", context.guide().help(NO_KEY)),
        Some(key) if key.length() < SHORTEST_KEY => {
            let fix = format!("copy it whole from the license dashboard: editor {}", context.system.config.display());
            Finding::warn(format!("it has only {} characters", key.length()), fix)
        }
        Some(key) => Finding::pass(describe(key)),
    })
}

fn describe(key: &Secret) -> String {
    format!("{} ({} characters)", key.masked(), key.length())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_writes_the_file_and_only_its_group_reads_it() {
        for (mode, is_exposed) in
            [(0o640, false), (0o600, false), (0o100_440, false), (0o644, true), (0o660, true), (0o641, true)]
        {
            assert_eq!(exposure(mode).is_some(), is_exposed, "{mode:o}");
        }
    }
}
