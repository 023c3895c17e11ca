//! The servers of a license, formatted for its page.

use std::collections::HashMap;
use std::net::IpAddr;

use super::form::encode;
use super::format::{split, text};
use super::license_action::LicenseAction;
use super::routes::Route;
use super::server_actions::{MOVE, REVOKE};
use crate::model::{ACTIVE_TIME, Activation, ActivationState, License, RETENTION_TIME};
use crate::store::{Error, ReadTransaction};
use opterius_base::clock::Timestamp;
use opterius_base::dates::Moment;

/// Servers per page. An unlimited license can have very many.
const PAGE_SIZE: usize = 100;

/// The maximum number of addresses with the same identity that a note names.
const MAX_TWINS: u32 = 3;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) ip: String,
    /// The observed and the reported address, if they differ from `ip`.
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

/// The URL of an action on the server with this IP address.
pub(super) fn address(license: i64, license_action: &'static LicenseAction, ip: IpAddr) -> String {
    format!("{}?ip={}", Route::LicenseAction(license, license_action), encode(&ip.to_string()))
}

/// The servers of one page.
pub(super) struct ServerList {
    /// The activations, in order.
    activations: Vec<Activation>,
    /// The sequence number to continue from, if there are more.
    pub(super) next: Option<i64>,
    /// Other addresses with the same server identity, by address.
    twins: HashMap<IpAddr, Vec<IpAddr>>,
    /// The sequence number of the server in the last slot of the plan.
    last_slot: Option<i64>,
}

impl ServerList {
    /// Reads the page after the activation `after` of a license with `used` active servers. Expired activations are left
    /// out.
    pub(super) fn read(
        transaction: &ReadTransaction<'_>,
        license: &License,
        after: Option<i64>,
        used: u32,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let (kept, active) = (now.minus(RETENTION_TIME), now.minus(ACTIVE_TIME));
        let count = u32::try_from(PAGE_SIZE).unwrap_or(u32::MAX).saturating_add(1);
        let found = transaction.activations_after(license.id, after.unwrap_or(i64::MIN), kept, count)?;
        let (activations, next) = split(found, PAGE_SIZE, |activation| activation.sequence);
        let mut twins = HashMap::new();
        for activation in &activations {
            if let Some(identity) = activation.details.server_id.as_deref().filter(|identity| !identity.is_empty()) {
                let elsewhere = transaction.twins(license.id, identity, activation.ip, kept, MAX_TWINS)?;
                twins.insert(activation.ip, elsewhere);
            }
        }
        // If the plan has room for all active servers, all of them have a slot.
        let last_slot = match license.plan.max_servers {
            slots if slots == 0 || used <= slots => None,
            slots => transaction.last_slot(license.id, slots, active)?,
        };
        Ok(Self { activations, next, twins, last_slot })
    }

    /// Formats the rows of the page.
    pub(super) fn rows(&self, license: &License, now: Timestamp) -> Vec<Server> {
        self.activations.iter().map(|activation| self.row(license, activation, now)).collect()
    }

    fn row(&self, license: &License, activation: &Activation, now: Timestamp) -> Server {
        let format = |value: &Option<String>| value.as_deref().map(text).filter(|value| !value.is_empty());
        let details = &activation.details;
        Server {
            ip: activation.ip.to_string(),
            addresses: addresses(activation, now),
            hostname: format(&details.hostname),
            agent: format(&details.agent_version),
            panel: format(&details.panel_version),
            os: format(&details.os),
            first: Moment::new(activation.started_at, now),
            last: Moment::new(activation.last_seen_at, now),
            active: activation.state(now) == ActivationState::Active,
            notes: self.notes(license, activation, now),
            revoke: address(license.id, &REVOKE, activation.ip),
            relocate: address(license.id, &MOVE, activation.ip),
        }
    }

    /// Warnings about a server.
    fn notes(&self, license: &License, activation: &Activation, now: Timestamp) -> Vec<String> {
        let mut notes = Vec::new();
        let is_active = activation.state(now) == ActivationState::Active;
        if is_active && self.last_slot.is_some_and(|last| activation.sequence > last) {
            notes.push(match license.plan.max_servers {
                1 => {
                    "The plan allows one server and this is not the first: it is refused at its next check.".to_owned()
                }
                allowed => {
                    format!(
                        "The plan allows {allowed} servers and this one came later: it is refused at its next check."
                    )
                }
            });
        }
        let elsewhere = self.twins.get(&activation.ip).into_iter().flatten();
        let elsewhere: Vec<String> = elsewhere.map(ToString::to_string).collect();
        if !elsewhere.is_empty() {
            let elsewhere = elsewhere.join(", ");
            notes.push(format!(
                "The same machine identity is in use at {elsewhere}: possibly a clone, or a changed address."
            ));
        }
        let lately = activation.other_seen_at.filter(|at| now.since(*at) < ACTIVE_TIME);
        if let (Some(at), Some(_)) = (lately, &activation.other_server_id) {
            let when = Moment::new(at, now).relative;
            notes.push(format!(
                "Two machines share this address, or it was reinstalled: another identity was seen {when}."
            ));
        }
        notes
    }
}

/// The second address of a pair, and how the server was seen if that is neither.
fn addresses(activation: &Activation, now: Timestamp) -> Option<String> {
    let is_new = |ip: &IpAddr| *ip != activation.ip && activation.other_address().is_none_or(|other| other.ip != *ip);
    let pair = activation.other_address().map(|other| {
        let own = activation.addresses.iter().find(|side| side.ip == activation.ip);
        let own = own.map_or(activation.last_seen_at, |own| own.last_seen_at);
        let when = |at| Moment::new(at, now).relative;
        format!("and {}, one server: last seen {} and {}", other.ip, when(own), when(other.last_seen_at))
    });
    let seen = Some(activation.observed_ip).filter(is_new).map(|seen| format!("seen as {seen}"));
    let reported = activation.reported_ip.filter(is_new).map(|reported| format!("reports {reported}"));
    let texts: Vec<String> = [pair, seen, reported].into_iter().flatten().collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions;
    use crate::model::Plan;
    use crate::model::{Actor, Details, Role};
    use crate::rules::{self, Inquiry};
    use crate::store::counting::count_cap;
    use crate::store::tests::Scratch;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    /// A license that allows this many servers.
    fn license(scratch: &mut Scratch, max_servers: u32) -> License {
        let actor = Actor { role: Role::Operator, name: "root".to_owned() };
        scratch.change(NOW, |transaction| {
            let plan = Plan { slug: "p".to_owned(), name: "P".to_owned(), max_accounts: 1, max_servers };
            actions::set_plan(transaction, &actor, &plan)?;
            if transaction.user("anna")?.is_none() {
                actions::add_user(transaction, &actor, "anna", "hash", false)?;
                actions::create(transaction, &actor, "anna", "p", None, None, &actions::new_key()?)?;
            }
            Ok::<_, actions::Refusal>(transaction.license(1)?.unwrap())
        })
    }

    /// The server 203.0.113.`number` checked in with this identity, `days` ago.
    fn check_in(scratch: &mut Scratch, license: &License, number: u8, days: u64, identity: &str) {
        let ip = IpAddr::from([203, 0, 113, number]);
        let details = Details { server_id: Some(identity.to_owned()), ..Details::default() };
        let inquiry = Inquiry { observed_ip: ip, reported_ip: None, ip, details };
        let then = NOW.minus(std::time::Duration::from_secs(days * 86_400));
        scratch.change(then, |transaction| rules::verify(transaction, license, &inquiry));
    }

    fn page(scratch: &mut Scratch, license: &License, after: Option<i64>) -> (Vec<Server>, Option<i64>) {
        let server_list = scratch.read(|transaction| {
            let used = transaction.count_activations(
                license.id,
                NOW.minus(ACTIVE_TIME),
                count_cap(license.plan.max_servers),
            )?;
            ServerList::read(transaction, license, after, used, NOW)
        });
        (server_list.rows(license, NOW), server_list.next)
    }

    #[test]
    fn warnings_appear_on_the_servers_concerned() {
        let mut scratch = Scratch::new();
        let generous = license(&mut scratch, 0);
        for (number, days, identity) in
            [(1, 0, "a"), (2, 8, "b"), (3, 1, "x"), (3, 0, "c"), (4, 31, "a"), (5, 0, "a"), (6, 0, ""), (7, 0, "")]
        {
            check_in(&mut scratch, &generous, number, days, identity);
        }
        let strict = license(&mut scratch, 2);
        let (rows, next) = page(&mut scratch, &strict, None);
        let notes: Vec<(&str, bool, String)> =
            rows.iter().map(|row| (row.ip.as_str(), row.active, row.notes.join(" "))).collect();
        assert_eq!((notes.len(), next), (6, None), "an expired activation is not shown: {notes:?}");
        assert!(notes[0].2.contains("at 203.0.113.5: possibly a clone"), "{notes:?}");
        assert_eq!((notes[1].1, notes[1].2.as_str()), (false, ""));
        assert!(notes[2].1 && notes[2].2.starts_with("Two machines share this address"), "{notes:?}");
        assert!(
            notes[3].2.contains("The plan allows 2 servers and this one came later")
                && notes[3].2.contains("at 203.0.113.1"),
            "{notes:?}"
        );
        assert!(!notes[4].2.contains("identity"), "servers without an identity are not twins: {notes:?}");
    }

    #[test]
    fn many_servers_are_shown_page_by_page() {
        let mut scratch = Scratch::new();
        let license = license(&mut scratch, 0);
        for number in 0..=100 {
            check_in(&mut scratch, &license, number, 0, "");
        }
        let (first, next) = page(&mut scratch, &license, None);
        assert_eq!((first.len(), first[0].ip.as_str()), (PAGE_SIZE, "203.0.113.0"));
        let (rest, end) = page(&mut scratch, &license, next);
        assert_eq!((rest.len(), rest[0].ip.as_str(), end), (1, "203.0.113.100", None));
    }

    #[test]
    fn observed_and_reported_addresses_are_shown_if_they_differ() {
        let [seen, reported, counted] = [[127, 0, 0, 1], [10, 0, 0, 1], [203, 0, 113, 1]].map(IpAddr::from);
        let table = [
            (counted, None, None),
            (counted, Some(counted), None),
            (counted, Some(reported), Some("reports 10.0.0.1")),
            (seen, Some(counted), Some("seen as 127.0.0.1")),
            (seen, Some(reported), Some("seen as 127.0.0.1, reports 10.0.0.1")),
        ];
        for (observed_ip, reported_ip, expected) in table {
            let activation = Activation {
                ip: counted,
                addresses: Vec::new(),
                sequence: 1,
                started_at: NOW,
                last_seen_at: NOW,
                observed_ip,
                reported_ip,
                details: Details::default(),
                other_server_id: None,
                other_seen_at: None,
            };
            assert_eq!(addresses(&activation, NOW).as_deref(), expected);
        }
    }
}
