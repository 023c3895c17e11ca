//! Time synchronization.

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;

/// Whether the clock is synchronized, by any program: timedatectl reports the kernel's flag.
pub fn synchronized(context: &Context<'_>) -> Option<Finding> {
    let shown = context.system.printed("timedatectl", &["show", "-p", "CanNTP", "-p", "NTP", "-p", "NTPSynchronized"]);
    Some(judge(shown.as_deref()))
}

fn judge(shown: Option<&str>) -> Finding {
    let Some(shown) = shown else {
        return Finding::warn(
            "timedatectl does not report the state",
            "check which service sets the clock: systemctl list-units '*time*' '*ntp*' 'chrony*'",
        );
    };
    let says_yes = |name: &str| shown.lines().any(|line| line.strip_prefix(name) == Some("=yes"));
    match () {
        () if says_yes("NTPSynchronized") => Finding::pass("the clock is synchronized"),
        () if says_yes("NTP") => {
            Finding::warn("enabled, but the clock is not synchronized", "timedatectl timesync-status")
        }
        () if says_yes("CanNTP") => Finding::warn("disabled", "timedatectl set-ntp true"),
        () => Finding::warn("no time synchronization service is installed", "apt-get install systemd-timesyncd"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    #[test]
    fn each_state_of_synchronization_has_its_fix() {
        for (shown, verdict, word) in [
            (Some("CanNTP=yes\nNTP=yes\nNTPSynchronized=yes\n"), Verdict::Pass, ""),
            (Some("CanNTP=no\nNTP=no\nNTPSynchronized=yes\n"), Verdict::Pass, ""),
            (Some("CanNTP=yes\nNTP=yes\nNTPSynchronized=no\n"), Verdict::Warn, "timesync-status"),
            (Some("CanNTP=yes\nNTP=no\nNTPSynchronized=no\n"), Verdict::Warn, "set-ntp true"),
            (Some("CanNTP=no\nNTP=no\nNTPSynchronized=no\n"), Verdict::Warn, "apt-get install"),
            (None, Verdict::Warn, "list-units"),
        ] {
            let finding = judge(shown);
            let fix = finding.fix.clone().unwrap_or_default();
            assert!(finding.verdict == verdict && fix.contains(word), "{shown:?}: {finding:?}");
        }
    }
}
