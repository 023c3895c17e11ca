//! The cache file: whether it is valid, the Panel can read it, and the Agent can replace it.

use std::fs;
use std::time::Duration;

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::doctor::reach::{FileAccess, UnixUser, may_replace, obstacle};
use crate::doctor::unwritten;
use crate::license::cache::{self, Cached};
use crate::license::license_identity::LicenseIdentity;
use opterius_base::clock::Timestamp;
use opterius_base::text::duration;
use opterius_host::layout::AGENT_GROUP;

/// The Panel's user, which reads the file.
const PANEL: &str = "www-data";

/// Checks run every 24 hours, plus up to 10 minutes of per-host delay.
const FRESH: Duration = Duration::from_secs(25 * 3600);

/// Whether the file's MAC is valid, and how old its verdict is.
pub fn contents(context: &Context<'_>) -> Option<Finding> {
    let config = &context.config()?.license;
    let identity = LicenseIdentity::configured(config, context.identity)?;
    let file = config.cache.display();
    let reverify = context.command("reverify");
    let reported = context.status.as_ref().map(|status| status.text("cache")).unwrap_or_default();
    if let Some(cause) = reported.strip_prefix("not written: ") {
        return unwritten::judge(context, &config.cache, cause);
    }
    let bytes = match cache::load(&config.cache) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Some(Finding::warn(format!("{file} does not exist yet"), reverify)),
        Err(cause) => {
            let fix = format!("mv {file} {file}.old; {reverify}");
            return Some(Finding::fail(format!("{file}: {cause}"), fix));
        }
    };
    Some(match cache::decode(&bytes, &identity.question()) {
        Err(cause) => Finding::fail(format!("the Agent ignores {file}: {cause}"), reverify),
        Ok(_) if reported.starts_with("ignored: ") => {
            Finding::fail(format!("the Agent did not use {file} when it started; {reported}"), reverify)
        }
        Ok(Cached { record: None, .. }) => Finding::pass("it holds no verdict on this license key yet"),
        Ok(Cached { record: Some(record), .. }) => {
            judge_age(record.verdict.at(), context.system.clock.wall(), reverify)
        }
    })
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
            Finding::fail(seen, format!("chmod {mode} {}", obstacle.place.display()))
        }
    })
}

/// Whether the Agent's user can replace it.
pub fn writer(context: &Context<'_>) -> Option<Finding> {
    let (path, agent) = (&context.config()?.license.cache, &context.agent);
    let directory = path.parent()?;
    let (shown, name) = (directory.display(), &agent.name);
    let Ok(metadata) = fs::metadata(directory) else {
        let fix = format!("install -d -m 1775 -o root -g {AGENT_GROUP} {shown}");
        return Some(Finding::fail(format!("{shown} does not exist"), fix));
    };
    if agent.uid.is_none() {
        let fix = format!("useradd --system --no-create-home --shell /usr/sbin/nologin {name}");
        return Some(Finding::fail(format!("the unit sets User={name}, but this server has no such user"), fix));
    }
    if let Some(obstacle) = obstacle(directory, agent, FileAccess::Change) {
        let seen = format!("{name} cannot replace it: {}", obstacle.describe(&context.register));
        return Some(Finding::fail(seen, format!("chown root:{AGENT_GROUP} {shown}; chmod 1775 {shown}")));
    }
    let file = fs::symlink_metadata(path).ok();
    if !may_replace(agent, &metadata, file.as_ref()) {
        let seen = format!("{name} cannot replace it: another user owns it, and {shown} is sticky");
        return Some(Finding::fail(seen, format!("chown {name} {}", path.display())));
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
