//! What will happen, in sentences: the words on the page before each deed.

use std::net::IpAddr;

use super::facts::Facts;
use super::routes::Deed;
use super::shown::text;
use crate::actions::OWNER_CHANGES;
use crate::model::in_words::limit;
use crate::model::{Life, Plan};
use crate::store::counting;
use opterius_base::dates::{Moment, counted};

/// The words of a page.
pub(super) struct Words {
    pub(super) heading: String,
    pub(super) sentences: Vec<String>,
    pub(super) confirm: &'static str,
}

/// The words about this deed, done to this license, and to this server of it.
pub(super) fn about(deed: Deed, facts: &Facts, ip: Option<IpAddr>) -> Words {
    let id = facts.license.id;
    let server = ip.map(|ip| named(facts, ip)).unwrap_or_default();
    let address = ip.map(|ip| ip.to_string()).unwrap_or_default();
    let (heading, sentences, confirm) = match deed {
        Deed::Revoke => (format!("Revoke {address}"), revoke(facts, &server), "Revoke"),
        Deed::Move => (format!("Move {address}"), relocate(facts, ip, &server), "Move"),
        Deed::Suspend => (format!("Suspend license {id}"), suspend(facts), "Suspend"),
        Deed::Resume => (format!("Resume license {id}"), resume(facts), "Resume"),
        Deed::Cancel => (format!("Cancel license {id}"), cancel(facts), "Cancel the license"),
        Deed::Renew => (format!("Renew license {id}"), renew(facts), "Renew"),
        Deed::Plan => (format!("Change the plan of license {id}"), plan(facts), "Change plan"),
        Deed::Lock => (format!("Lock license {id} to an address"), lock(), "Lock"),
        Deed::Unlock => (format!("Unlock license {id}"), unlock(facts), "Unlock"),
        Deed::Delete => (format!("Delete license {id}"), delete(facts), "Delete"),
    };
    Words { heading, sentences, confirm }
}

/// A plan in a choice: slug and what it allows.
pub(super) fn plan_option(plan: &Plan) -> (String, String) {
    let many = |count: u32, what: &str| match count {
        0 => format!("unlimited {what}s"),
        count => counted(u64::from(count), what),
    };
    let words =
        format!("{}: {}, {} each", plan.name, many(plan.max_servers, "server"), many(plan.max_accounts, "account"));
    (plan.slug.clone(), words)
}

fn named(facts: &Facts, ip: IpAddr) -> String {
    let hostname = facts.server.as_ref().and_then(|server| server.details.hostname.as_deref());
    hostname.map_or_else(|| ip.to_string(), |name| format!("{ip} ({})", text(name)))
}

fn revoke(facts: &Facts, server: &str) -> Vec<String> {
    let is_active = facts.server.as_ref().is_some_and(|server| server.life(facts.now) == Life::Active);
    let first = if is_active {
        format!("{server} loses its slot at once.")
    } else {
        format!("{server} holds no slot any more, because it was not seen for seven days. It is taken off the list.")
    };
    let second = "Its Agent learns of it at its next check, within 24 hours, and then refuses changes unless a slot is \
                  free again.";
    [first, second.to_owned()].into_iter().chain(left(facts)).collect()
}

fn relocate(facts: &Facts, ip: Option<IpAddr>, server: &str) -> Vec<String> {
    let locked = ip.is_some() && facts.license.locked_ip == ip;
    let first = match (&facts.server, locked) {
        (Some(_), false) => format!("The slot of {server} goes to the new address at once."),
        (Some(_), true) => format!("The slot of {server} goes to the new address at once, and the lock with it."),
        (None, _) => format!("The license is locked to the new address instead of {server} at once."),
    };
    let second = if locked {
        "The server at the old address is refused at its next check, within 24 hours."
    } else {
        "The server at the old address needs a slot of its own at its next check, within 24 hours; without one it \
         refuses changes."
    };
    [first, second.to_owned()].into_iter().chain(left(facts)).collect()
}

fn left(facts: &Facts) -> Option<String> {
    let left = facts.left?;
    Some(format!("{left} of {OWNER_CHANGES} revocations and moves are left in these 30 days."))
}

/// Who uses it now.
fn users(facts: &Facts) -> String {
    let owner = &facts.license.owner_name;
    let plan = &facts.license.plan.name;
    let use_it = match facts.active {
        0 => "no server uses it".to_owned(),
        1 => "1 server uses it".to_owned(),
        active => format!("{} servers use it", counting::counted(active, facts.license.plan.max_servers)),
    };
    format!("It is the license of {owner} with the plan {plan}; {use_it}.")
}

fn suspend(facts: &Facts) -> Vec<String> {
    let end = "Each server learns of it at its next check, within 24 hours, and then refuses changes. Resume makes the \
               license usable again.";
    vec![users(facts), end.to_owned()]
}

fn resume(facts: &Facts) -> Vec<String> {
    let mut sentences = vec![
        format!("It is the license of {}, and is {} now.", facts.license.owner_name, facts.license.status.word()),
        "Each server may use it again from its next check on.".to_owned(),
    ];
    if facts.license.is_expired(facts.now) {
        sentences.push("It has expired meanwhile, so it also has to be renewed.".to_owned());
    }
    sentences
}

fn cancel(facts: &Facts) -> Vec<String> {
    let end = "Each server learns of it at its next check, within 24 hours, and then refuses changes. The license and its \
               history stay here.";
    vec![users(facts), end.to_owned()]
}

fn renew(facts: &Facts) -> Vec<String> {
    let now = match facts.license.expires_at.map(|at| Moment::expiry(at, facts.now)) {
        None => "The license never expires now.".to_owned(),
        Some(end) if facts.license.is_expired(facts.now) => {
            format!("The license expired {} ({}).", end.relative, end.text)
        }
        Some(end) => format!("The license expires {} ({}).", end.relative, end.text),
    };
    vec![now, "Each server learns of the new end at its next check, within 24 hours.".to_owned()]
}

fn plan(facts: &Facts) -> Vec<String> {
    let end = "Where the new plan allows fewer servers than use the license, those that were activated first keep their \
               slots and the others are refused at their next check. Accounts that exist are not touched.";
    vec![users(facts), end.to_owned()]
}

fn lock() -> Vec<String> {
    let words = "Only the server at this address may use the license then. Any other is refused at its next check, \
                 within 24 hours.";
    vec![words.to_owned()]
}

fn unlock(facts: &Facts) -> Vec<String> {
    let ip = facts.license.locked_ip.map_or_else(|| "no address".to_owned(), |ip| ip.to_string());
    let servers = limit(facts.license.plan.max_servers);
    vec![
        format!("The license is locked to {ip} now."),
        format!("Servers at any address may use it then, as many as its plan allows: {servers}."),
    ]
}

fn delete(facts: &Facts) -> Vec<String> {
    vec![
        users(facts),
        "The license, its key and its activations are deleted and cannot be brought back; its history stays.".to_owned(),
        "Each server is told at its next check, within 24 hours, that its key is not known, and then refuses changes. To \
         end a license that may be needed again, cancel it instead."
            .to_owned(),
    ]
}
