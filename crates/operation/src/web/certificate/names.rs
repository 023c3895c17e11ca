//! The names to request a certificate for.

use std::collections::BTreeSet;
use std::net::{IpAddr, ToSocketAddrs};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};

use crate::web::site::Site;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::request::values::Domain;

/// Time limit for DNS lookups.
const LOOKUP_TIME: Duration = Duration::from_secs(4);

type Addresses = BTreeSet<IpAddr>;

/// The domain of a site, and those of its other names that resolve to the same addresses. A name that resolves elsewhere
/// would make the whole request fail.
pub(crate) fn of_site(site: &Site, host: &Host) -> Vec<Domain> {
    let others = site.names(host).into_iter().filter_map(|name| Domain::parse("domain", &name).ok());
    let others: Vec<Domain> = others.filter(|name| *name != site.domain).collect();
    let (own, lookups) = (lookup(&site.domain), others.iter().map(lookup).collect::<Vec<_>>());
    let until = Deadline::within(LOOKUP_TIME);
    let found = |addresses: &Receiver<Addresses>| addresses.recv_timeout(until.left()).unwrap_or_default();
    let own = found(&own);
    let same = others.into_iter().zip(&lookups).filter(|(_, addresses)| lead_to_the_same(&own, &found(addresses)));
    std::iter::once(site.domain.clone()).chain(same.map(|(name, _)| name)).collect()
}

/// Resolves on a separate thread, because a lookup has no timeout.
fn lookup(name: &Domain) -> Receiver<Addresses> {
    let (sender, receiver) = bounded(1);
    let name = name.to_string();
    let ask = move || {
        let found = (name.as_str(), 80).to_socket_addrs();
        let _ = sender.send(found.into_iter().flatten().map(|address| address.ip()).collect());
    };
    // Without a thread, the receiver gets nothing.
    let _ = thread::Builder::new().name("lookup".to_owned()).spawn(ask);
    receiver
}

fn lead_to_the_same(one: &Addresses, other: &Addresses) -> bool {
    !one.is_empty() && one == other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn www_is_requested_only_if_it_resolves_to_the_same_addresses() {
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
            assert_eq!(lead_to_the_same(&set(one), &set(other)), expected, "{one} / {other}");
        }
    }
}
