//! How many certificates there are in each state, for the metrics. They are counted from the published records, once an hour
//! and after each certificate from the queue, because reading thousands of records takes too long for each scrape.

use std::sync::atomic::{AtomicU64, Ordering};

use opterius_base::clock::Timestamp;
use opterius_host::host::Host;
use opterius_host::sites::certificate::{as_of, standing};
use opterius_host::sites::site_record::{self, IssueState, SiteRecord};

/// The states: `ending` is a certificate that has ended or ends within 14 days; `failed` is a site whose last attempt to get
/// one failed; `valid` are all others.
pub const STATES: [&str; 3] = ["valid", "ending", "failed"];

/// The number of certificates in each state.
#[derive(Debug, Default)]
pub struct CertificateCounts([AtomicU64; 3]);

impl CertificateCounts {
    /// Counts the certificates of a host. If the records cannot be read, the last counts stay.
    pub fn update(&self, host: &Host, now: Timestamp) {
        let Ok(published) = site_record::read_all(host) else { return };
        for (state, count) in STATES.iter().zip(&self.0) {
            let found = published.records.iter().filter(|record| state_of(record, now) == Some(*state)).count();
            count.store(u64::try_from(found).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// Each state with its count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        STATES.into_iter().zip(self.0.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}

fn state_of(record: &SiteRecord, now: Timestamp) -> Option<&'static str> {
    let has_failed = record.issue.as_ref().is_some_and(|issue| as_of(issue, now).state == IssueState::Failed);
    match &record.certificate {
        Some(_) if standing(record, now).expires_soon => Some("ending"),
        _ if has_failed => Some("failed"),
        Some(_) => Some("valid"),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opterius_host::request::values::{Domain, Username};
    use opterius_host::sites::certificate::EXPIRY_NOTICE;
    use opterius_host::sites::site_record::{Certificate, Issue, Source};
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    #[test]
    fn each_site_is_in_one_state() {
        let domain = Domain::parse("domain", "a.example").unwrap();
        let username = Username::parse("username", "alice").unwrap();
        let record = |not_after: Option<Timestamp>, state: Option<IssueState>| SiteRecord {
            certificate: not_after.map(|not_after| Certificate {
                source: Source::Acme,
                issuer: String::new(),
                not_after,
                names: vec!["a.example".to_owned()],
                warnings: Vec::new(),
            }),
            issue: state.map(|state| Issue { state, reason: None, at: NOW, warnings: Vec::new() }),
            ..SiteRecord::new(domain.clone(), username.clone())
        };
        let (soon, later) = (NOW.plus(EXPIRY_NOTICE), NOW.plus(EXPIRY_NOTICE + Duration::from_secs(1)));
        for (record, expected) in [
            (record(None, None), None),
            (record(None, Some(IssueState::Running)), None),
            (record(None, Some(IssueState::Failed)), Some("failed")),
            (record(Some(later), None), Some("valid")),
            (record(Some(later), Some(IssueState::Failed)), Some("failed")),
            (record(Some(soon), Some(IssueState::Failed)), Some("ending")),
            (record(Some(NOW), Some(IssueState::Issued)), Some("ending")),
        ] {
            assert_eq!(state_of(&record, NOW), expected, "{record:?}");
        }
    }
}
