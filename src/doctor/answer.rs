//! A trial verification that changes nothing: the license server's answer, and this server's public address.

use std::net::IpAddr;

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::doctor::network_path::{Addresses, NetworkPath};
use crate::doctor::shell;
use crate::license::log_lines;
use opterius_base::clock::Timestamp;
use opterius_base::dates::the_end;
use opterius_license::clocks::{Difference, TOLERANCE};
use opterius_license::outcome::{Failure, FailureClass, Outcome, ParsedAnswer};
use opterius_license::reason::EXPIRED;

/// The license server's verdict.
pub fn verdict(context: &Context<'_>) -> Option<Finding> {
    let network_path = context.network_path.as_ref()?;
    let server = network_path.server().base();
    Some(match network_path.parsed_answer()? {
        Ok(parsed) => judge(parsed, context.system.clock.wall(), server, |reason| context.help(reason)),
        Err(failure) => unanswered(failure, server),
    })
}

/// What each of several license servers answers.
pub fn servers(context: &Context<'_>) -> Option<Finding> {
    let first = context.network_path.as_ref()?;
    if context.other_paths.is_empty() {
        return None;
    }
    let word = |path: &NetworkPath<'_>| path.parsed_answer()?.as_ref().ok().map(|parsed| parsed.outcome.word());
    let mut finding = match first.obstacle() {
        None => Finding::pass(format!("{} answers", first.server().base())),
        // Other checks have its cause and remedy.
        Some(_) => Finding::fail(format!("none gives a verdict, {} neither", first.server().base()), String::new()),
    };
    for path in &context.other_paths {
        let base = path.server().base();
        match path.obstacle() {
            Some(failure) => {
                let fix = failure.remedy.as_deref().unwrap_or("contact the license server's operator");
                finding.add_warning(&format!("{base} gives no verdict: {failure}"), fix);
            }
            None if word(path) != word(first) => {
                let seen = format!("{base} answers something else than {}", first.server().base());
                finding.add_warning(&seen, "ask the vendor: all license servers must know the same licenses");
            }
            None => finding.seen.push_str(&format!("; {base} as well")),
        }
    }
    Some(finding)
}

/// The public address, configured and as seen from the Internet.
pub fn address(context: &Context<'_>) -> Option<Finding> {
    let network_path = context.network_path.as_ref()?;
    let config = network_path.config();
    Some(judge_address(config.server_ip, network_path.addresses(), config.servers.is_loopback()))
}

fn judge(parsed: &ParsedAnswer, now: Timestamp, server: &str, help: impl Fn(&str) -> String) -> Finding {
    if let Some(expiry) = expired(parsed, now) {
        let seen = format!("the license server grants a license that expired at {}", the_end(expiry));
        return Finding::fail(seen, help(EXPIRED));
    }
    match &parsed.outcome {
        Outcome::Granted { terms, .. } => Finding::pass(format!("license valid ({})", log_lines::describe(terms))),
        Outcome::Denied { reason, message, .. } => {
            Finding::fail(format!("license rejected, {reason}: {message}"), help(reason))
        }
        Outcome::Inconclusive(failure) => unanswered(failure, server),
    }
}

/// When the granted license expired, if it has: by this clock, or by the license server's if the two differ too much.
pub fn expired(parsed: &ParsedAnswer, now: Timestamp) -> Option<Timestamp> {
    let Outcome::Granted { terms, .. } = &parsed.outcome else { return None };
    let clocks = Difference { own: now, server: parsed.issued_at.unwrap_or(now) };
    let deciding = if clocks.size() > TOLERANCE { clocks.server } else { now };
    terms.expires_at.filter(|expiry| *expiry <= deciding)
}

/// No verdict, though the connection works.
fn unanswered(failure: &Failure, server: &str) -> Finding {
    let fix = failure.remedy.clone().unwrap_or_else(|| match failure.class {
        FailureClass::Network | FailureClass::Http => {
            "the connection works: retry with opterius-agent reverify, and contact the license server's operator"
                .to_owned()
        }
        FailureClass::Malformed => {
            format!("check what answers there: curl -sS {}", shell::quoted(&format!("{server}/api/license/verify")))
        }
        FailureClass::Untrusted => {
            "compare license_public_key in agent.conf with the vendor's key, then run: systemctl reload opterius-agent"
                .to_owned()
        }
    });
    Finding::fail(failure.to_string(), fix)
}

fn judge_address(configured: Option<IpAddr>, own: Addresses, server_is_local: bool) -> Finding {
    let Addresses { source, seen } = own;
    let set = "server_ip=ADDRESS (this server's public IPv4 address) in agent.conf, then run: systemctl reload opterius-agent";
    match (configured, seen) {
        (None, Some(seen)) => Finding::pass(format!("seen as {seen}; agent.conf sets no address")),
        (Some(configured), Some(seen)) if configured == seen => {
            Finding::pass(format!("seen as {seen}, as set in agent.conf"))
        }
        (Some(configured), Some(seen)) => Finding::warn(
            format!("agent.conf sets server_ip={configured}, but this server is seen as {seen}"),
            format!("set server_ip=auto or {set}"),
        ),
        (Some(configured), None) => Finding::pass(format!("{configured}, as set in agent.conf")),
        (None, None) if server_is_local => Finding::pass("not needed: the license server is this machine"),
        (None, None) => {
            let private = source.map(|source| format!("; its own address {source} is private")).unwrap_or_default();
            Finding::warn(format!("this server's public address is unknown{private}"), format!("set {set}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;
    use opterius_license::model::Terms;

    #[test]
    fn the_servers_message_is_shown() {
        let denied = |reason: &str| Outcome::Denied {
            reason: reason.to_owned(),
            message: "License is suspended.".to_owned(),
            terms: Terms::default(),
        };
        let unreached =
            Outcome::Inconclusive(Failure::new(FailureClass::Http, "the license server answered (HTTP 500)"));
        let granted = Outcome::Granted { terms: Terms::default(), message: String::new() };
        for (outcome, verdict, word) in [
            (granted, Verdict::Pass, "valid"),
            (denied("suspended"), Verdict::Fail, "suspended: License is suspended."),
            (unreached, Verdict::Fail, "HTTP 500"),
        ] {
            let parsed = ParsedAnswer { outcome, issued_at: None, signed_by: None };
            let finding = judge(&parsed, Timestamp::from_unix(0), "https://license.example.com", str::to_owned);
            assert!(finding.verdict == verdict && finding.seen.contains(word), "{finding:?}");
        }
    }

    #[test]
    fn a_grant_whose_license_has_expired_is_none_by_the_clock_that_decides() {
        let at = |text: &str| Timestamp::parse_rfc3339(text).unwrap();
        let (day, later) = (at("2026-03-01T00:00:00Z"), at("2026-03-02T12:00:00Z"));
        let table = [
            (None, day, later, None),
            (Some(later), day, day, None),
            (Some(day), day, day, Some("expired at the end of 2026-02-28")),
            (Some(at("2026-02-28T10:30:00Z")), day, day, Some("expired at 2026-02-28T10:30:00Z")),
            // This clock is days ahead, or behind.
            (Some(at("2026-03-01T12:00:00Z")), later, day, None),
            (Some(at("2026-03-01T12:00:00Z")), day, later, Some("expired at 2026-03-01T12:00:00Z")),
        ];
        for (expires_at, now, issued_at, expected) in table {
            let terms = Terms { expires_at, ..Terms::default() };
            let outcome = Outcome::Granted { terms, message: String::new() };
            let parsed = ParsedAnswer { outcome, issued_at: Some(issued_at), signed_by: None };
            let finding = judge(&parsed, now, "https://license.example.com", str::to_owned);
            match expected {
                None => assert_eq!(finding.verdict, Verdict::Pass, "{finding:?}"),
                Some(words) => assert!(finding.seen.ends_with(words) && finding.fix.is_some(), "{finding:?}"),
            }
        }
    }

    #[test]
    fn a_wrong_configured_address_is_reported() {
        let ip = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        for (configured, seen, server_is_local, verdict) in [
            (None, ip("203.0.113.5"), false, Verdict::Pass),
            (ip("203.0.113.5"), ip("203.0.113.5"), false, Verdict::Pass),
            (ip("203.0.113.5"), ip("203.0.113.6"), false, Verdict::Warn),
            (ip("203.0.113.5"), None, false, Verdict::Pass),
            (None, None, false, Verdict::Warn),
            (None, None, true, Verdict::Pass),
        ] {
            let own = Addresses { source: ip("10.0.0.1"), seen };
            assert_eq!(judge_address(configured, own, server_is_local).verdict, verdict, "{configured:?} {seen:?}");
        }
    }
}
