//! The servers that use a license, as its page shows them.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::form::encode;
use super::routes::{Deed, Route};
use super::shown::{Moment, text};
use crate::clock::Timestamp;
use crate::server::model::{ACTIVE_TIME, Activation, License, Life};

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) ip: String,
    /// The addresses that it is seen at and that it reports, where they are not the same.
    pub(super) addresses: Option<String>,
    pub(super) hostname: Option<String>,
    pub(super) agent: Option<String>,
    pub(super) panel: Option<String>,
    pub(super) os: Option<String>,
    pub(super) first: Moment,
    pub(super) last: Moment,
    pub(super) active: bool,
    pub(super) notes: Vec<String>,
    pub(super) revoke: String,
    pub(super) relocate: String,
}

/// The address of the page on which something is done to the server with this IP.
pub(super) fn address(license: i64, deed: Deed, ip: IpAddr) -> String {
    format!("{}?ip={}", Route::Deed(license, deed), encode(&ip.to_string()))
}

/// The rows after the activation `after`, at most `most`, and the activation to go on from when there are more. What is to
/// be deleted is not shown. Activations are in the order in which they were made.
pub(super) fn rows(
    license: &License,
    activations: &[Activation],
    after: Option<i64>,
    most: usize,
    now: Timestamp,
) -> (Vec<Server>, Option<i64>) {
    let known: Vec<&Activation> = activations.iter().filter(|activation| activation.life(now) != Life::Gone).collect();
    let remarks = Remarks::new(license, &known, now);
    let after = after.unwrap_or(i64::MIN);
    let rest: Vec<&&Activation> = known.iter().filter(|activation| activation.sequence > after).collect();
    let next = rest.get(most.saturating_sub(1)).filter(|_| rest.len() > most).map(|last| last.sequence);
    (rest.into_iter().take(most).map(|activation| row(license, activation, &remarks, now)).collect(), next)
}

fn row(license: &License, activation: &Activation, remarks: &Remarks<'_>, now: Timestamp) -> Server {
    let shown = |value: &Option<String>| value.as_deref().map(text).filter(|value| !value.is_empty());
    let details = &activation.details;
    Server {
        ip: activation.ip.to_string(),
        addresses: addresses(activation),
        hostname: shown(&details.hostname),
        agent: shown(&details.agent_version),
        panel: shown(&details.panel_version),
        os: shown(&details.os),
        first: Moment::new(activation.started_at, now),
        last: Moment::new(activation.last_seen_at, now),
        active: activation.life(now) == Life::Active,
        notes: remarks.about(license, activation, now),
        revoke: address(license.id, Deed::Revoke, activation.ip),
        relocate: address(license.id, Deed::Move, activation.ip),
    }
}

fn addresses(activation: &Activation) -> Option<String> {
    let seen = Some(activation.observed_ip).filter(|seen| *seen != activation.ip);
    let reported = activation.reported_ip.filter(|reported| *reported != activation.ip);
    match (seen, reported) {
        (None, None) => None,
        (Some(seen), None) => Some(format!("seen as {seen}")),
        (None, Some(reported)) => Some(format!("reports {reported}")),
        (Some(seen), Some(reported)) => Some(format!("seen as {seen}, reports {reported}")),
    }
}

/// What is remarkable about some of the servers of a license.
struct Remarks<'a> {
    /// The addresses at which each identity is used.
    identities: HashMap<&'a str, Vec<IpAddr>>,
    /// Active servers that the plan has no slot for.
    beyond: HashSet<IpAddr>,
}

impl<'a> Remarks<'a> {
    fn new(license: &License, known: &[&'a Activation], now: Timestamp) -> Self {
        let mut identities: HashMap<&str, Vec<IpAddr>> = HashMap::new();
        for activation in known {
            if let Some(identity) = activation.details.server_id.as_deref().filter(|identity| !identity.is_empty()) {
                identities.entry(identity).or_default().push(activation.ip);
            }
        }
        let allowed = usize::try_from(license.plan.max_servers).ok().filter(|allowed| *allowed > 0);
        let active = known.iter().filter(|activation| activation.life(now) == Life::Active);
        let beyond = active.skip(allowed.unwrap_or(usize::MAX)).map(|activation| activation.ip).collect();
        Self { identities, beyond }
    }

    fn about(&self, license: &License, activation: &Activation, now: Timestamp) -> Vec<String> {
        let mut notes = Vec::new();
        if self.beyond.contains(&activation.ip) {
            let allowed = license.plan.max_servers;
            let first =
                if allowed == 1 { "the first server".to_owned() } else { format!("the first {allowed} servers") };
            notes.push(format!("Not among {first}, which the plan allows: it is refused at its next check."));
        }
        let identity = activation.details.server_id.as_deref().unwrap_or_default();
        let elsewhere = self.identities.get(identity).into_iter().flatten().filter(|ip| **ip != activation.ip);
        let elsewhere: Vec<String> = elsewhere.take(3).map(ToString::to_string).collect();
        if !elsewhere.is_empty() {
            let elsewhere = elsewhere.join(", ");
            notes.push(format!("The same machine identity is used at {elsewhere}: perhaps a clone, or a new address."));
        }
        let lately = activation.other_seen_at.filter(|at| now.since(*at) < ACTIVE_TIME);
        if let (Some(at), Some(_)) = (lately, &activation.other_server_id) {
            let when = Moment::new(at, now).relative;
            notes.push(format!("Two machines share this address, or it was reinstalled: another identity, {when}."));
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::server::model::{Billing, Details, Plan, Status};

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
    const DAY: u64 = 86_400;

    fn license(max_servers: u32) -> License {
        let plan = Plan { slug: "p".to_owned(), name: "P".to_owned(), max_accounts: 1, max_servers };
        License {
            id: 7,
            key: Secret::new("key".to_owned()),
            owner: 1,
            owner_name: "anna".to_owned(),
            plan,
            status: Status::Active,
            expires_at: None,
            locked_ip: None,
            billing: Billing::default(),
            created_at: NOW,
            revision: 1,
        }
    }

    fn activation(sequence: u8, days: u64, identity: &str) -> Activation {
        let ip = IpAddr::from([203, 0, 113, sequence]);
        Activation {
            ip,
            sequence: i64::from(sequence),
            started_at: NOW,
            last_seen_at: NOW.minus(std::time::Duration::from_secs(days * DAY)),
            observed_ip: ip,
            reported_ip: None,
            details: Details { server_id: Some(identity.to_owned()), ..Details::default() },
            other_server_id: None,
            other_seen_at: None,
        }
    }

    #[test]
    fn what_is_remarkable_is_said_of_whom_it_concerns() {
        let mut activations = [
            activation(1, 0, "a"),
            activation(2, 8, "b"),
            activation(3, 1, "c"),
            activation(4, 31, "a"),
            activation(5, 0, "a"),
        ];
        activations[2].other_server_id = Some("x".to_owned());
        activations[2].other_seen_at = Some(NOW);
        let (rows, next) = rows(&license(2), &activations, None, 100, NOW);
        assert_eq!(next, None);
        let notes: Vec<(&str, bool, String)> =
            rows.iter().map(|row| (row.ip.as_str(), row.active, row.notes.join(" "))).collect();
        assert_eq!(notes.len(), 4, "one that is to be deleted is not shown: {notes:?}");
        assert!(notes[0].2.contains("at 203.0.113.5: perhaps a clone"), "{notes:?}");
        assert_eq!((notes[1].1, notes[1].2.as_str()), (false, ""));
        assert!(notes[2].1 && notes[2].2.starts_with("Two machines share this address"), "{notes:?}");
        assert!(notes[3].2.contains("Not among the first 2 servers") && notes[3].2.contains("at 203.0.113.1"));
    }

    #[test]
    fn very_many_servers_are_shown_page_by_page() {
        let activations: Vec<Activation> = (1..=5).map(|number| activation(number, 0, "")).collect();
        let page = |after| {
            let (rows, next) = rows(&license(0), &activations, after, 2, NOW);
            (rows.into_iter().map(|row| row.ip).collect::<Vec<_>>(), next)
        };
        assert_eq!(page(None), (vec!["203.0.113.1".to_owned(), "203.0.113.2".to_owned()], Some(2)));
        assert_eq!(page(Some(2)).1, Some(4));
        assert_eq!(page(Some(4)), (vec!["203.0.113.5".to_owned()], None));
    }

    #[test]
    fn an_address_is_told_with_what_it_was_taken_from() {
        let mut activation = activation(1, 0, "");
        assert_eq!(addresses(&activation), None);
        activation.reported_ip = Some(IpAddr::from([10, 0, 0, 1]));
        assert_eq!(addresses(&activation).as_deref(), Some("reports 10.0.0.1"));
        activation.observed_ip = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(addresses(&activation).as_deref(), Some("seen as 127.0.0.1, reports 10.0.0.1"));
    }
}
