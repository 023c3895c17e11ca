//! The certificate status that the Panel sees, derived from a site's published record.

use std::time::Duration;

use serde_json::{Value, json};

use crate::sites::site_record::{Certificate, Issue, IssueState, SiteRecord, Source};
use opterius_base::clock::Timestamp;

/// Longest time for issuing a certificate. If it has been running for longer, its helper was killed.
const MAX_ISSUE_TIME: Duration = Duration::from_secs(15 * 60);

/// The body of `/ssl/status` for a site with this published record. `queued` is whether its certificate waits to be issued.
pub fn status(record: Option<&SiteRecord>, queued: bool, now: Timestamp) -> Value {
    let certificate = record.and_then(|record| record.certificate.as_ref());
    let issue = record.and_then(|record| record.issue.as_ref()).map(|issue| as_of(issue, now));
    let (state, reason) = match &issue {
        Some(issue) if issue.state == IssueState::Running => (json!(issue.state), None),
        _ if queued => (json!("queued"), None),
        Some(issue) => (json!(issue.state), issue.reason.as_deref()),
        None => (json!("none"), None),
    };
    let standing = record.map(|record| standing(record, now));
    json!({
        "exists": certificate.is_some(),
        "issuer": certificate.map(|certificate| &certificate.issuer),
        "not_after": certificate.map(|certificate| certificate.not_after),
        "names": certificate.map_or(&[][..], |certificate| &certificate.names),
        "source": certificate.map(|certificate| certificate.source),
        "state": state,
        "reason": reason,
        "expires_soon": standing.as_ref().is_some_and(|standing| standing.expires_soon),
        "warnings": standing.map(|standing| standing.warnings).unwrap_or_default(),
    })
}

/// How long before its end a certificate should have been replaced. certbot does so 30 days before.
pub const EXPIRY_NOTICE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// How a site's certificate stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether it has ended, or ends within [`EXPIRY_NOTICE`].
    pub expires_soon: bool,
    /// What its owner should know.
    pub warnings: Vec<String>,
}

/// How the certificate of a site with this record stands at `now`. Without one, there is nothing to say.
pub fn standing(record: &SiteRecord, now: Timestamp) -> Standing {
    let Some(certificate) = &record.certificate else { return Standing::default() };
    let Certificate { not_after, source, names, .. } = certificate;
    let expires_soon = *not_after <= now.plus(EXPIRY_NOTICE);
    let mut warnings = Vec::new();
    if expires_soon {
        let ends = if *not_after <= now { "ended" } else { "ends" };
        let remedy = match source {
            Source::Acme => format!(
                "certbot should have renewed it. For the cause, run: certbot renew --cert-name {}",
                record.domain
            ),
            Source::Upload => "Upload its successor, or issue a certificate here.".to_owned(),
        };
        warnings.push(format!("The certificate {ends} on {not_after}. {remedy}"));
    }
    warnings.extend(certificate.warnings.iter().cloned());
    warnings.extend(record.issue.iter().flat_map(|issue| issue.warnings.iter().cloned()));
    let bare = record.names.iter().filter(|name| !names.iter().any(|covering| covers(covering, name)));
    for name in bare {
        if !warnings.iter().any(|warning| warning.starts_with(&format!("{name} is not in the certificate"))) {
            warnings.push(format!("{name} is not in the certificate and stays on HTTP."));
        }
    }
    Standing { expires_soon, warnings }
}

/// Whether a name in a certificate, which can be a wildcard for one label, covers a site's name (RFC 6125, section 6.4).
pub fn covers(covering: &str, name: &str) -> bool {
    let below = |wildcard: &str| name.split_once('.').is_some_and(|(_, parent)| parent.eq_ignore_ascii_case(wildcard));
    covering.eq_ignore_ascii_case(name) || covering.strip_prefix("*.").is_some_and(below)
}

/// The state of an issue at `now`: one that runs for too long was interrupted.
pub fn as_of(issue: &Issue, now: Timestamp) -> Issue {
    if issue.state == IssueState::Running && now.since(issue.at) > MAX_ISSUE_TIME {
        let reason = "Issuing was interrupted. Issue the certificate again.".to_owned();
        return Issue { state: IssueState::Failed, reason: Some(reason), ..issue.clone() };
    }
    issue.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::values::{Domain, Username};

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    fn record(certificate: bool, issue: Option<(IssueState, u64)>) -> SiteRecord {
        let certificate = certificate.then(|| Certificate {
            source: Source::Acme,
            issuer: "CN=R11".to_owned(),
            not_after: NOW,
            names: vec!["a.example".to_owned()],
            warnings: Vec::new(),
        });
        let issue = issue.map(|(state, seconds)| Issue {
            state,
            reason: (state == IssueState::Failed).then(|| "No.".to_owned()),
            at: NOW.minus(Duration::from_secs(seconds)),
            warnings: Vec::new(),
        });
        SiteRecord {
            certificate,
            issue,
            ..SiteRecord::new(
                Domain::parse("domain", "a.example").unwrap(),
                Username::parse("username", "alice").unwrap(),
            )
        }
    }

    #[test]
    fn state_follows_the_issue_and_exists_follows_the_certificate() {
        use IssueState::{Failed, Issued, Running};
        let interrupted = Some("Issuing was interrupted. Issue the certificate again.");
        let table = [
            (None, false, false, "none", None),
            (None, true, false, "queued", None),
            (Some(record(false, None)), false, false, "none", None),
            (Some(record(true, None)), false, true, "none", None),
            (Some(record(true, Some((Issued, 5)))), false, true, "issued", None),
            (Some(record(true, Some((Failed, 5)))), false, true, "failed", Some("No.")),
            (Some(record(false, Some((Failed, 5)))), true, false, "queued", None),
            (Some(record(false, Some((Running, 900)))), true, false, "running", None),
            (Some(record(false, Some((Running, 901)))), false, false, "failed", interrupted),
            (Some(record(false, Some((Running, 901)))), true, false, "queued", None),
        ];
        for (record, queued, exists, state, reason) in table {
            let answer = status(record.as_ref(), queued, NOW);
            assert_eq!(
                (answer["exists"].as_bool(), answer["state"].as_str(), answer["reason"].as_str()),
                (Some(exists), Some(state), reason),
                "{record:?}"
            );
            assert_eq!(answer["names"].as_array().unwrap().len(), usize::from(exists));
            assert_eq!(answer["source"].as_str(), exists.then_some("acme"));
        }
    }

    #[test]
    fn what_the_owner_should_know_is_said() {
        let days = |days: u64| NOW.plus(Duration::from_secs(days * 24 * 60 * 60));
        let standing_of = |not_after, source, names: &[&str]| {
            let mut record = record(true, Some((IssueState::Issued, 5)));
            record.names = vec!["a.example".to_owned(), "www.a.example".to_owned()];
            let certificate = record.certificate.as_mut().unwrap();
            certificate.names = names.iter().map(|name| (*name).to_owned()).collect();
            (certificate.not_after, certificate.source) = (not_after, source);
            standing(&record, NOW)
        };
        let both = ["a.example", "www.a.example"];
        let table = [
            (days(90), Source::Acme, &both[..], false, ""),
            (days(15), Source::Acme, &both, false, ""),
            (days(14), Source::Acme, &both, true, "certbot renew --cert-name a.example"),
            (NOW, Source::Upload, &both, true, "ended on"),
            (days(3), Source::Upload, &both, true, "Upload its successor"),
            (days(90), Source::Upload, &["a.example", "*.A.example"], false, ""),
            (days(90), Source::Acme, &["a.example", "*.b.example"], false, "www.a.example is not in the certificate"),
        ];
        for (not_after, source, names, soon, words) in table {
            let found = standing_of(not_after, source, names);
            let said = found.warnings.join(" ");
            assert_eq!((found.expires_soon, said.is_empty()), (soon, words.is_empty()), "{said}");
            assert!(said.contains(words), "{said}");
        }
        assert!(!covers("*.a.example", "c.b.a.example") && !covers("*.a.example", "a.example"));
    }
}
