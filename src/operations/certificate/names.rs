//! The names that a certificate is asked for.

use std::collections::BTreeSet;
use std::net::{IpAddr, ToSocketAddrs};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};

use crate::operations::deadline::Deadline;
use crate::operations::fields::Domain;

/// How long the system's resolver may take.
const LOOKUP_TIME: Duration = Duration::from_secs(4);

/// The domain, and `www.` of it where that leads to the same addresses: a name that leads elsewhere would make the whole
/// issue fail.
pub(super) fn of_site(domain: &Domain) -> Vec<Domain> {
    let mut names = vec![domain.clone()];
    if let Ok(www) = Domain::parse("domain", &format!("www.{domain}")) {
        let until = Deadline::within(LOOKUP_TIME);
        let (addresses, of_www) = (lookup(domain), lookup(&www));
        let addresses = [addresses, of_www].map(|found| found.recv_timeout(until.left()).unwrap_or_default());
        if lead_to_the_same(&addresses) {
            names.push(www);
        }
    }
    names
}

/// Asks on a thread of its own, because a lookup has no time limit.
fn lookup(name: &Domain) -> Receiver<BTreeSet<IpAddr>> {
    let (sender, receiver) = bounded(1);
    let name = name.to_string();
    let ask = move || {
        let found = (name.as_str(), 80).to_socket_addrs();
        let _ = sender.send(found.into_iter().flatten().map(|address| address.ip()).collect());
    };
    // Without a thread there is no answer.
    let _ = thread::Builder::new().name("lookup".to_owned()).spawn(ask);
    receiver
}

fn lead_to_the_same([one, other]: &[BTreeSet<IpAddr>; 2]) -> bool {
    !one.is_empty() && one == other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn www_is_asked_for_only_where_it_leads_to_the_same_addresses() {
        let set = |text: &str| text.split_whitespace().map(|address| address.parse().unwrap()).collect();
        let table = [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1 2001:db8::1", "2001:db8::1 192.0.2.1", true),
            ("192.0.2.1 2001:db8::1", "192.0.2.1", false),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "", false),
            ("", "", false),
        ];
        for (one, other, expected) in table {
            assert_eq!(lead_to_the_same(&[set(one), set(other)]), expected, "{one} / {other}");
        }
    }

    #[test]
    fn a_name_without_addresses_brings_no_www() {
        let domain = Domain::parse("domain", "nowhere.invalid").unwrap();
        assert_eq!(of_site(&domain), [domain]);
    }
}
