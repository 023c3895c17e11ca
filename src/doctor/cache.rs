//! The cache file: whether it is valid, the Panel can read it, and the Agent can replace it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::doctor::context::Context;
use crate::doctor::daemon_status::DaemonStatus;
use crate::doctor::finding::Finding;
use crate::doctor::reach::{FileAccess, UnixUser, may_replace, obstacle};
use crate::doctor::shell;
use crate::doctor::unwritten;
use crate::license::cache::{self, Cached, CachedStatus, Told};
use crate::license::license_identity::LicenseIdentity;
use opterius_base::clock::Timestamp;
use opterius_base::text::duration;
use opterius_host::layout::AGENT_GROUP;
use opterius_license::model::Terms;

/// The Panel's user, which reads the file.
const PANEL: &str = "www-data";

/// A check runs every 24 hours, the first one after a start up to 10 minutes later.
const FRESH: Duration = Duration::from_secs(25 * 3600);

/// Whether the file's MAC is valid, and how old its verdict is.
pub fn contents(context: &Context<'_>) -> Option<Finding> {
    let config = &context.config()?.license;
    let identity = LicenseIdentity::configured(config, context.identity)?;
    let (file, quoted) = (config.cache.display(), shell::path(&config.cache));
    let reverify = context.command("reverify");
    let reported = context.status.as_ref().map(|status| status.text("cache")).unwrap_or_default();
    if let Some(cause) = reported.strip_prefix("not written: ") {
        return unwritten::judge(context, &config.cache, cause);
    }
    if differs(context, &config.cache) {
        let seen = format!("{file} tells the Panel another state than the daemon's; was it put back from a backup?");
        return Some(Finding::fail(seen, reverify));
    }
    let bytes = match cache::load(&config.cache) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Some(Finding::warn(format!("{file} does not exist yet"), reverify)),
        Err(cause) => {
            let fix = format!("mv {quoted} {quoted}.old; {reverify}");
            return Some(Finding::fail(format!("{file}: {cause}"), fix));
        }
    };
    Some(match cache::decode(&bytes, &identity.question()) {
        Err(cause) if reported == "ok" && is_of_earlier_settings(context, &bytes, &identity) => Finding::fail(
            format!("with agent.conf as it is now, the Agent would ignore {file}: {cause}; the daemon uses it"),
            format!(
                "compare license_key and license_public_key first: {}; if they are right: {reverify}",
                context.editor()
            ),
        ),
        Err(cause) => Finding::fail(format!("the Agent ignores {file}: {cause}"), reverify),
        Ok(_) if reported.starts_with("ignored: ") => {
            Finding::fail(format!("the Agent did not use {file} when it started; {reported}"), reverify)
        }
        Ok(Cached { record: None, .. }) => Finding::pass("it holds no verdict on this license key yet"),
        Ok(Cached { record: Some(record), .. }) => {
            // The license server's clock, which the verdict has, can be off.
            let at = record.arrival.map_or_else(|| record.verdict.at(), |arrival| arrival.wall);
            judge_age(at, context.system.clock.wall(), reverify)
        }
    })
}

/// Whether the file and the daemon tell the Panel different states, now and a moment later: a check can end in between.
fn differs(context: &Context<'_>, file: &Path) -> bool {
    let state = |status: &DaemonStatus| {
        let reason = Some(status.text("reason")).filter(|reason| !reason.is_empty());
        Told::from(&CachedStatus::new(status.is_valid(), reason, String::new(), Terms::default()))
    };
    let is_other = |status: &DaemonStatus| cache::told(file).is_some_and(|told| told != state(status));
    let later = || DaemonStatus::query(context.system, context.port.address);
    context.status.as_ref().is_some_and(|status| status.text("cache") == "ok" && is_other(status))
        && later().is_some_and(|status| is_other(&status))
}

/// Whether the daemon wrote the file with other settings than those of agent.conf now.
fn is_of_earlier_settings(context: &Context<'_>, bytes: &[u8], identity: &LicenseIdentity<'_>) -> bool {
    let is_changed = |status: &DaemonStatus| status.predates(&context.system.config_path);
    cache::belongs_elsewhere(bytes, &identity.question()) || context.status.as_ref().is_some_and(is_changed)
}

fn judge_age(at: Timestamp, now: Timestamp, reverify: String) -> Finding {
    let age = now.since(at);
    if at.since(now) > Duration::from_secs(300) {
        return Finding::warn(format!("its verdict is dated {at}, which is in the future"), "timedatectl");
    }
    let seen = format!("its verdict is {} old", duration(age));
    if age > FRESH { Finding::warn(seen, reverify) } else { Finding::pass(seen) }
}

/// Whether the Panel can read it.
pub fn readers(context: &Context<'_>) -> Option<Finding> {
    let path = &context.config()?.license.cache;
    fs::metadata(path).ok()?;
    let panel = UnixUser::lookup(&context.register, PANEL);
    Some(match obstacle(path, &panel, FileAccess::Read) {
        None => Finding::pass(format!("{PANEL} can read it")),
        Some(obstacle) => {
            let mode = if obstacle.place == *path { "0644" } else { "o+x" };
            let seen = format!("{PANEL} cannot read it: {}", obstacle.describe(&context.register));
            Finding::fail(seen, format!("chmod {mode} {}", shell::path(&obstacle.place)))
        }
    })
}

/// Whether the Agent's user can replace it.
pub fn writer(context: &Context<'_>) -> Option<Finding> {
    let (path, agent) = (&context.config()?.license.cache, &context.agent);
    let directory = path.parent()?;
    let (shown, name) = (directory.display(), &agent.name);
    let (quoted, user) = (shell::path(directory), shell::quoted(name));
    let Ok(metadata) = fs::metadata(directory) else {
        let fix = format!("install -d -m 1775 -o root -g {AGENT_GROUP} {quoted}");
        return Some(Finding::fail(format!("{shown} does not exist"), fix));
    };
    if agent.uid.is_none() {
        let fix = format!("useradd --system --no-create-home --shell /usr/sbin/nologin {user}");
        return Some(Finding::fail(format!("the unit sets User={name}, but this server has no such user"), fix));
    }
    if let Some(obstacle) = obstacle(directory, agent, FileAccess::Change) {
        let seen = format!("{name} cannot replace it: {}", obstacle.describe(&context.register));
        return Some(Finding::fail(seen, format!("chown root:{AGENT_GROUP} {quoted}; chmod 1775 {quoted}")));
    }
    let file = fs::symlink_metadata(path).ok();
    if !may_replace(agent, &metadata, file.as_ref()) {
        let seen = format!("{name} cannot replace it: another user owns it, and {shown} is sticky");
        return Some(Finding::fail(seen, format!("chown {user} {}", shell::path(path))));
    }
    Some(Finding::pass(format!("{name} can replace it")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    #[test]
    fn a_verdict_older_than_a_day_causes_a_warning() {
        let now = Timestamp::from_unix(1_800_000_000);
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        for (at, verdict) in [
            (now, Verdict::Pass),
            (now.minus(hours(25)), Verdict::Pass),
            (now.minus(hours(26)), Verdict::Warn),
            (now.plus(hours(1)), Verdict::Warn),
        ] {
            assert_eq!(judge_age(at, now, String::new()).verdict, verdict, "{at}");
        }
    }
}
