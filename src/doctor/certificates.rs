//! The certificates of sites: whether they are renewed in time, and whether certbot's timer runs.

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use opterius_host::layout::PUBLISHED;
use opterius_host::sites::certificate::{as_of, standing};
use opterius_host::sites::site_record::{self, IssueState, Source};

/// The timers with which certbot renews certificates: Debian's, and snap's.
const TIMERS: [&str; 2] = ["certbot.timer", "snap.certbot.renew.timer"];

/// The services that they start.
const SERVICES: [&str; 2] = ["certbot.service", "snap.certbot.renew.service"];

/// The most names listed.
const LISTED: usize = 5;

/// Whether a certificate ends within 14 days, or could not be issued.
pub fn expiry(context: &Context<'_>) -> Option<Finding> {
    let host = context.host()?;
    let Ok(published) = site_record::read_all(&host) else { return Some(context.needs_root(PUBLISHED)) };
    let now = context.system.clock.wall();
    let (mut ending, mut failed, mut count) = (Vec::new(), Vec::new(), 0_usize);
    for record in &published.records {
        count = count.saturating_add(usize::from(record.certificate.is_some()));
        let has_failed = record.issue.as_ref().is_some_and(|issue| as_of(issue, now).state == IssueState::Failed);
        match &record.certificate {
            Some(certificate) if standing(record, now).expires_soon => {
                ending.push(format!("{} ({})", record.domain, certificate.not_after));
            }
            _ if has_failed => failed.push(record.domain.to_string()),
            _ => {}
        }
    }
    let mut finding = Finding::pass(format!("certificates of sites: {count}, none ends within 14 days"));
    if !ending.is_empty() {
        let fix =
            "certbot renew --no-random-sleep-on-renew shows the cause; an uploaded certificate must be uploaded again";
        finding = Finding::warn(format!("certificates end within 14 days, or have ended: {}", listed(&ending)), fix);
    }
    if !failed.is_empty() {
        let seen = format!("the last attempt to get a certificate failed for {}", listed(&failed));
        finding.add_warning(&seen, "see the reason in the Panel, then issue the certificate again");
    }
    Some(finding)
}

/// Whether certbot's timer is enabled and running, and its last run was successful. Applies where certbot issued a
/// certificate for a site.
pub fn timer(context: &Context<'_>) -> Option<Finding> {
    let host = context.host()?;
    let published = site_record::read_all(&host).ok()?;
    let is_issued = |source: Option<Source>| source == Some(Source::Acme);
    let sources = published.records.iter().map(|record| record.certificate.as_ref().map(|found| found.source));
    if !sources.into_iter().any(is_issued) {
        return None;
    }
    if !context.system.has_systemd() {
        return Some(match context.system.path("/etc/cron.d/certbot").exists() {
            true => Finding::pass("cron renews certificates (/etc/cron.d/certbot)"),
            false => {
                Finding::warn("nothing renews certificates: there is no systemd, and no /etc/cron.d/certbot", INSTALL)
            }
        });
    }
    let is = |word: &str, unit: &str| {
        let output = context.system.probe.tool("systemctl", &[word, unit]);
        output.is_ok_and(|output| output.is_success())
    };
    let enabled = TIMERS.into_iter().find(|timer| is("is-enabled", timer));
    let active = enabled.is_some_and(|timer| is("is-active", timer));
    let failed = SERVICES.into_iter().find(|service| is("is-failed", service));
    Some(judge_timer(enabled, active, failed))
}

const INSTALL: &str = "apt-get install --reinstall certbot";

fn judge_timer(enabled: Option<&str>, active: bool, failed: Option<&str>) -> Finding {
    if let Some(service) = failed {
        let seen = format!("the last renewal failed ({service}), so certificates may end");
        return Finding::fail(seen, format!("journalctl -u {service} -n 50; then systemctl start {service}"));
    }
    match enabled {
        Some(timer) if active => Finding::pass(format!("{timer} renews certificates")),
        Some(timer) => Finding::fail(
            format!("{timer} does not run, so certificates are not renewed"),
            format!("systemctl start {timer}"),
        ),
        None => Finding::fail(
            "certbot's timer is disabled or missing, so certificates are not renewed",
            format!("systemctl enable --now {}, or: {INSTALL}", TIMERS.first().copied().unwrap_or_default()),
        ),
    }
}

fn listed(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(LISTED).map(String::as_str).collect();
    let more = names.len().saturating_sub(LISTED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    #[test]
    fn renewals_need_a_timer_that_runs() {
        let timer = Some("certbot.timer");
        let table = [
            (timer, true, None, Verdict::Pass, "renews certificates"),
            (timer, false, None, Verdict::Fail, "does not run"),
            (None, false, None, Verdict::Fail, "disabled or missing"),
            (timer, true, Some("certbot.service"), Verdict::Fail, "the last renewal failed"),
        ];
        for (enabled, active, failed, verdict, words) in table {
            let finding = judge_timer(enabled, active, failed);
            assert!(finding.verdict == verdict && finding.seen.contains(words), "{finding:?}");
        }
    }
}
