//! The names to request a certificate for.

use std::collections::BTreeSet;
use std::net::{IpAddr, ToSocketAddrs};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use rustls_pki_types::{CertificateDer, ServerName};
use webpki::EndEntityCert;

use crate::web::certificate::files::CertificateFiles;
use crate::web::certificate::pem;
use crate::web::site::Site;
use opterius_base::deadline::Deadline;
use opterius_base::files;
use opterius_host::host::Host;
use opterius_host::request::values::Domain;

/// Time limit for DNS lookups.
const LOOKUP_TIME: Duration = Duration::from_secs(4);

type Addresses = BTreeSet<IpAddr>;

/// The names to request a certificate for, and what is said of the others.
pub(crate) struct Names {
    /// The domain of the site, and other names of it.
    pub(crate) requested: Vec<Domain>,
    /// One sentence for each name that is left out.
    pub(crate) warnings: Vec<String>,
}

/// The domain of a site, and those of its other names that lead to the same server. Certificate authorities limit the number
/// of failed validations, so names that cannot be validated are not requested.
pub(crate) fn of_site(site: &Site, host: &Host) -> Names {
    let others = site.names(host).into_iter().filter_map(|name| Domain::parse("domain", &name).ok());
    let others: Vec<Domain> = others.filter(|name| *name != site.domain).collect();
    let (own, lookups) = (lookup(&site.domain), others.iter().map(lookup).collect::<Vec<_>>());
    let until = Deadline::within(LOOKUP_TIME);
    let found = |addresses: &Receiver<Addresses>| addresses.recv_timeout(until.left()).unwrap_or_default();
    let own = found(&own);
    let mut names = Names { requested: vec![site.domain.clone()], warnings: Vec::new() };
    for (name, addresses) in others.into_iter().zip(&lookups) {
        let addresses = found(addresses);
        if lead_to_the_same(&own, &addresses) {
            names.requested.push(name);
        } else {
            let cause =
                if addresses.is_empty() { "it has no address in the DNS" } else { "it leads to another server" };
            names.warnings.push(left_out(&name, cause));
        }
    }
    names
}

/// Largest file of a chain, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// Those of `names` that the certificate in these files covers. If it cannot be read, nginx says so.
pub fn covered(found: &CertificateFiles, names: &[String]) -> Vec<String> {
    let text = files::read(&found.fullchain, MAX_FILE).unwrap_or_default();
    let sections = pem::sections(&String::from_utf8_lossy(&text)).unwrap_or_default();
    let leaf = sections.into_iter().next().map(|section| CertificateDer::from(section.der));
    let Some(leaf) = leaf.as_ref().and_then(|leaf| EndEntityCert::try_from(leaf).ok()) else { return names.to_vec() };
    let is_covered = |name: &&String| {
        let name = ServerName::try_from(name.as_str());
        name.is_ok_and(|name| leaf.verify_is_valid_for_subject_name(&name).is_ok())
    };
    names.iter().filter(is_covered).cloned().collect()
}

/// What is said of a name that the certificate does not cover.
pub(crate) fn left_out(name: &Domain, cause: &str) -> String {
    format!("{name} is not in the certificate and stays on HTTP: {}.", cause.trim_end_matches('.'))
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
    !one.is_disjoint(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn www_is_requested_only_if_it_leads_to_the_same_server() {
        let set = |text: &str| text.split_whitespace().map(|address| address.parse().unwrap()).collect();
        let table = [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1 2001:db8::1", "2001:db8::1 192.0.2.1", true),
            ("192.0.2.1 2001:db8::1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "", false),
            ("", "", false),
        ];
        for (one, other, expected) in table {
            assert_eq!(lead_to_the_same(&set(one), &set(other)), expected, "{one} / {other}");
        }
    }
}
