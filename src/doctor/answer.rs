//! A verification that is only looked at: the license server's answer, the clock by its `Date`, and the address that this
//! server is known by.

use std::net::IpAddr;
use std::time::Duration;

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::doctor::network_path::Addresses;
use crate::license::log_lines;
use opterius_base::clock::Timestamp;
use opterius_license::outcome::{Failure, FailureClass, Outcome};

/// From here on a clock is worth a look; the Panel's signatures still count.
const OFF: Duration = Duration::from_secs(30);

const SYNCHRONIZE: &str = "timedatectl set-ntp true; timedatectl";

/// What the license server says.
pub fn verdict(context: &Context<'_>) -> Option<Finding> {
    let network_path = context.network_path.as_ref()?;
    let server = network_path.settings().server.base();
    Some(match network_path.parsed_answer()? {
        Ok(parsed) => judge(&parsed.outcome, server, |reason| context.guide().help(reason)),
        Err(failure) => unanswered(failure, server),
    })
}

/// The clock beside the license server's.
pub fn clock(context: &Context<'_>) -> Option<Finding> {
    let at = context.network_path.as_ref()?.parsed_answer()?.as_ref().ok()?.issued_at?;
    Some(judge_clock(at, context.system.clock.wall(), context.configuration()?.signature_window))
}

/// The public address: as configured and as this server is seen.
pub fn address(context: &Context<'_>) -> Option<Finding> {
    let network_path = context.network_path.as_ref()?;
    let settings = network_path.settings();
    Some(judge_address(settings.server_ip, network_path.addresses(), settings.server.is_loopback()))
}

fn judge(outcome: &Outcome, server: &str, help: impl Fn(&str) -> String) -> Finding {
    match outcome {
        Outcome::Granted { terms, .. } => Finding::pass(format!("says valid ({})", log_lines::describe(terms))),
        Outcome::Denied { reason, message, .. } => Finding::fail(format!("says no, {reason}: {message}"), help(reason)),
        Outcome::Inconclusive(failure) => unanswered(failure, server),
    }
}

/// No verdict, though the way there is open.
fn unanswered(failure: &Failure, server: &str) -> Finding {
    let fix = match failure.class {
        FailureClass::Network | FailureClass::Http => {
            "the way there is open: try again with opterius-agent reverify, and tell whoever runs the license server"
                .to_owned()
        }
        FailureClass::Malformed => format!("see who answers: curl -sS {server}/api/license/verify"),
        FailureClass::Untrusted => {
            "compare license_public_key in agent.conf with the vendor's; then run: systemctl reload opterius-agent"
                .to_owned()
        }
    };
    Finding::fail(failure.to_string(), fix)
}

/// Beyond `window` the Panel's signatures count no more, should the Panel be right.
fn judge_clock(server: Timestamp, own: Timestamp, window: Duration) -> Finding {
    let (ahead, behind) = (own.since(server), server.since(own));
    let off = ahead.max(behind);
    let side = if ahead > behind { "ahead of" } else { "behind" };
    let seen = format!("{} s {side} the license server's", off.as_secs());
    if off > window {
        Finding::fail(seen, SYNCHRONIZE)
    } else if off > OFF {
        Finding::warn(seen, SYNCHRONIZE)
    } else {
        Finding::pass(format!("within {} s of the license server's", OFF.as_secs()))
    }
}

fn judge_address(configured: Option<IpAddr>, own: Addresses, asked_at_home: bool) -> Finding {
    let Addresses { source, seen } = own;
    let set = "server_ip=ADDRESS in agent.conf, the public IPv4 address of this server; then run: systemctl reload opterius-agent";
    match (configured, seen) {
        (None, Some(seen)) => Finding::pass(format!("seen as {seen}; agent.conf leaves it to be found out")),
        (Some(configured), Some(seen)) if configured == seen => {
            Finding::pass(format!("seen as {seen}, as agent.conf says"))
        }
        (Some(configured), Some(seen)) => Finding::warn(
            format!("agent.conf says server_ip={configured}, but this server is seen as {seen}"),
            format!("set server_ip=auto or {set}"),
        ),
        (Some(configured), None) => Finding::pass(format!("{configured}, as agent.conf says")),
        (None, None) if asked_at_home => Finding::pass("none is needed: the license server is this machine"),
        (None, None) => {
            let private = source.map(|source| format!("; its own is {source}, which is private")).unwrap_or_default();
            Finding::warn(format!("the public address of this server is not known{private}"), format!("set {set}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;
    use opterius_license::model::Terms;

    #[test]
    fn the_clock_is_judged_by_the_window_of_signatures() {
        let server = Timestamp::from_unix(1_800_000_000);
        let seconds = Duration::from_secs;
        for (own, verdict, word) in [
            (server.plus(seconds(30)), Verdict::Pass, "within"),
            (server.plus(seconds(31)), Verdict::Warn, "31 s ahead of"),
            (server.minus(seconds(300)), Verdict::Warn, "300 s behind"),
            (server.minus(seconds(301)), Verdict::Fail, "301 s behind"),
        ] {
            let finding = judge_clock(server, own, seconds(300));
            assert!(finding.verdict == verdict && finding.seen.contains(word), "{own}: {finding:?}");
        }
    }

    #[test]
    fn an_answer_is_shown_in_the_servers_words() {
        let denied = |reason: &str| Outcome::Denied {
            reason: reason.to_owned(),
            message: "License is suspended.".to_owned(),
            terms: Terms::default(),
        };
        let unreached = Outcome::Inconclusive(Failure::new(FailureClass::Http, "the server answered HTTP 500"));
        let granted = Outcome::Granted { terms: Terms::default(), message: String::new() };
        for (outcome, verdict, word) in [
            (granted, Verdict::Pass, "valid"),
            (denied("suspended"), Verdict::Fail, "suspended: License is suspended."),
            (unreached, Verdict::Fail, "HTTP 500"),
        ] {
            let finding = judge(&outcome, "https://license.example.com", str::to_owned);
            assert!(finding.verdict == verdict && finding.seen.contains(word), "{finding:?}");
        }
    }

    #[test]
    fn an_address_that_is_not_the_configured_one_is_told() {
        let ip = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        for (configured, seen, at_home, verdict) in [
            (None, ip("203.0.113.5"), false, Verdict::Pass),
            (ip("203.0.113.5"), ip("203.0.113.5"), false, Verdict::Pass),
            (ip("203.0.113.5"), ip("203.0.113.6"), false, Verdict::Warn),
            (ip("203.0.113.5"), None, false, Verdict::Pass),
            (None, None, false, Verdict::Warn),
            (None, None, true, Verdict::Pass),
        ] {
            let own = Addresses { source: ip("10.0.0.1"), seen };
            assert_eq!(judge_address(configured, own, at_home).verdict, verdict, "{configured:?} {seen:?}");
        }
    }
}
