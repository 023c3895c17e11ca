//! The certificate status that the Panel sees, derived from a site's published record.

use std::time::Duration;

use serde_json::{Value, json};

use crate::sites::site_record::{Issue, IssueState, SiteRecord};
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
    json!({
        "exists": certificate.is_some(),
        "issuer": certificate.map(|certificate| &certificate.issuer),
        "not_after": certificate.map(|certificate| certificate.not_after),
        "names": certificate.map_or(&[][..], |certificate| &certificate.names),
        "source": certificate.map(|certificate| certificate.source),
        "state": state,
        "reason": reason,
    })
}

/// The state of an issue at `now`: one that runs for too long was interrupted.
pub fn as_of(issue: &Issue, now: Timestamp) -> Issue {
    if issue.state == IssueState::Running && now.since(issue.at) > MAX_ISSUE_TIME {
        let reason = "Issuing was interrupted. Issue the certificate again.".to_owned();
        return Issue { state: IssueState::Failed, reason: Some(reason), at: issue.at };
    }
    issue.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::values::{Domain, Username};
    use crate::sites::site_record::{Certificate, Source};

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    fn record(certificate: bool, issue: Option<(IssueState, u64)>) -> SiteRecord {
        let certificate = certificate.then(|| Certificate {
            source: Source::Acme,
            issuer: "CN=R11".to_owned(),
            not_after: NOW,
            names: vec!["a.example".to_owned()],
        });
        let issue = issue.map(|(state, seconds)| Issue {
            state,
            reason: (state == IssueState::Failed).then(|| "No.".to_owned()),
            at: NOW.minus(Duration::from_secs(seconds)),
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
}
