//! The time: compared with the license server's, and synchronized by a time service.

use std::time::Duration;

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use opterius_license::clocks::Difference;

/// The clock difference that causes a warning, while the Panel's signatures are still valid.
const OFF: Duration = Duration::from_secs(30);

const SYNCHRONIZE: &str = "timedatectl set-ntp true; timedatectl";

/// What timedatectl says about time synchronization, by any program: it reports the kernel's flag.
struct TimeService {
    can_synchronize: bool,
    is_enabled: bool,
    is_synchronized: bool,
}

impl TimeService {
    /// `None` where timedatectl does not answer.
    fn query(context: &Context<'_>) -> Option<Self> {
        let properties = ["show", "-p", "CanNTP", "-p", "NTP", "-p", "NTPSynchronized"];
        context.system.printed("timedatectl", &properties).map(|shown| Self::parse(&shown))
    }

    fn parse(shown: &str) -> Self {
        let says_yes = |name: &str| shown.lines().any(|line| line.strip_prefix(name) == Some("=yes"));
        Self {
            can_synchronize: says_yes("CanNTP"),
            is_enabled: says_yes("NTP"),
            is_synchronized: says_yes("NTPSynchronized"),
        }
    }
}

/// The clock, compared with the license server's.
pub fn compared(context: &Context<'_>) -> Option<Finding> {
    let server = context.network_path.as_ref()?.parsed_answer()?.as_ref().ok()?.issued_at?;
    let clocks = Difference { own: context.system.clock.wall(), server };
    Some(judge_clocks(clocks, context.config()?.signature_window, TimeService::query(context)))
}

/// Beyond `window`, an Agent whose clock is wrong rejects the signatures of a Panel with the correct time.
fn judge_clocks(clocks: Difference, window: Duration, service: Option<TimeService>) -> Finding {
    let synchronized = service.map(|service| service.is_synchronized);
    match synchronized {
        _ if clocks.size() <= OFF => Finding::pass(format!("within {} s of the license server's", OFF.as_secs())),
        Some(true) => Finding::warn(
            format!("{clocks}; this one is synchronized, so the license server's is off"),
            "tell the operator of the license server; this server needs no change",
        ),
        _ => {
            let known = if synchronized.is_some() { "; this one is not synchronized" } else { "" };
            let seen = format!("{clocks}{known}");
            if clocks.size() > window { Finding::fail(seen, SYNCHRONIZE) } else { Finding::warn(seen, SYNCHRONIZE) }
        }
    }
}

/// Whether the clock is synchronized.
pub fn synchronized(context: &Context<'_>) -> Option<Finding> {
    Some(judge_service(TimeService::query(context)))
}

fn judge_service(service: Option<TimeService>) -> Finding {
    match service {
        None => Finding::warn(
            "timedatectl does not report the state",
            "check which service sets the clock: systemctl list-units '*time*' '*ntp*' 'chrony*'",
        ),
        Some(service) if service.is_synchronized => Finding::pass("the clock is synchronized"),
        Some(service) if service.is_enabled => {
            Finding::warn("enabled, but the clock is not synchronized", "timedatectl timesync-status")
        }
        Some(service) if service.can_synchronize => Finding::warn("disabled", "timedatectl set-ntp true"),
        Some(_) => Finding::warn("no time synchronization service is installed", "apt-get install systemd-timesyncd"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;
    use opterius_base::clock::Timestamp;

    #[test]
    fn the_clock_that_is_off_is_named_where_timedatectl_tells() {
        let server = Timestamp::from_unix(1_800_000_000);
        let seconds = Duration::from_secs;
        let (yes, no) = ("NTPSynchronized=yes\n", "NTPSynchronized=no\n");
        for (own, shown, verdict, word, fix) in [
            (server.plus(seconds(30)), Some(no), Verdict::Pass, "within 30 s", ""),
            (server.plus(seconds(31)), Some(no), Verdict::Warn, "31 s ahead of", "set-ntp"),
            (server.minus(seconds(300)), None, Verdict::Warn, "5 min 0 s behind", "set-ntp"),
            (server.minus(seconds(301)), None, Verdict::Fail, "5 min 1 s behind", "set-ntp"),
            (server.plus(seconds(172_800)), Some(no), Verdict::Fail, "there); this one is not synchronized", "set-ntp"),
            (server.plus(seconds(172_800)), Some(yes), Verdict::Warn, "so the license server's is off", "operator"),
        ] {
            let finding = judge_clocks(Difference { own, server }, seconds(300), shown.map(TimeService::parse));
            assert!(finding.verdict == verdict && finding.seen.contains(word), "{own}: {finding:?}");
            assert!(finding.fix.as_deref().unwrap_or_default().contains(fix), "{own}: {finding:?}");
        }
    }

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
            let finding = judge_service(shown.map(TimeService::parse));
            let fix = finding.fix.clone().unwrap_or_default();
            assert!(finding.verdict == verdict && fix.contains(word), "{shown:?}: {finding:?}");
        }
    }
}
