//! Name resolution: the addresses of one family, within a time of its own.
//!
//! The C library asks for both families at once by default, and waits for the slower answer: where AAAA queries are dropped
//! on the way, an A record that is there at once would come too late. The other family is therefore asked only when the
//! first has not answered for a while, or when a caller needs it.

use std::cell::RefCell;
use std::fs;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use dns_lookup::{AddrFamily, AddrInfoHints, LookupErrorKind, SockType, getaddrinfo};

use crate::license::client::fault::{Fault, Step, seconds};
use opterius_base::deadline::Deadline;
use opterius_license::address::Family;

/// The time limit for one family. A resolver whose first name server is dead answers after 5 seconds.
const SHARE: Duration = Duration::from_secs(6);
/// Without an answer by then, or in a fifth of a shorter time, the other family is asked, too.
const OVERLAP: Duration = Duration::from_secs(2);
/// The most addresses kept per family.
const MAX_ADDRESSES: usize = 32;

/// Why a name has no address of a family, the more telling the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unresolved {
    /// The name does not exist.
    NoName,
    /// The name exists without such an address.
    NoAddress,
    /// The resolver failed.
    Failed,
    /// The resolver did not answer in time.
    Silent,
    /// The system has no thread left.
    NoThread,
}

/// The lookups of one name.
pub struct Lookups<'a> {
    name: &'a str,
    preferred: Family,
    deadline: Deadline,
    early: &'a EarlyLookups,
    other: Option<Lookup>,
}

type Found = Result<Vec<IpAddr>, Unresolved>;

impl<'a> Lookups<'a> {
    /// Lookups of `name` that end by the deadline; one of `early` may be under way.
    pub fn new(name: &'a str, preferred: Family, deadline: Deadline, early: &'a EarlyLookups) -> Self {
        Self { name, preferred, deadline, early, other: None }
    }

    /// The addresses of the preferred family.
    pub fn preferred(&mut self) -> Found {
        let lookup = match self.early.take(self.name) {
            Some(found) => Lookup::of(found, self.deadline),
            None => Lookup::start(self.name, self.preferred, self.deadline)?,
        };
        lookup.wait(self.deadline.sooner(OVERLAP.min(self.deadline.left() / 5))).unwrap_or_else(|| {
            self.other = Lookup::start(self.name, self.preferred.other(), self.deadline).ok();
            lookup.result()
        })
    }

    /// The addresses of the other family, until this deadline.
    pub fn other(&mut self, deadline: Deadline) -> Found {
        match self.other.take() {
            Some(lookup) => lookup.wait(deadline).unwrap_or(Err(Unresolved::Silent)),
            None => Lookup::start(self.name, self.preferred.other(), deadline)?.result(),
        }
    }
}

/// Lookups for the license servers that are asked if the first one gives no verdict. They begin with the check: where the
/// first name server is dead, a lookup takes longer than a server's share of the time.
#[derive(Default)]
pub struct EarlyLookups(RefCell<Vec<(String, Receiver<Found>)>>);

impl EarlyLookups {
    /// Drops the lookups of an earlier check.
    pub fn clear(&self) {
        self.0.borrow_mut().clear();
    }

    /// Begins to look up `name`, for one connection.
    pub fn start(&self, name: &str, preferred: Family) {
        // Without a thread, the connection itself reports it.
        self.0.borrow_mut().extend(begin(name, preferred).map(|found| (name.to_owned(), found)));
    }

    fn take(&self, name: &str) -> Option<Receiver<Found>> {
        let mut lookups = self.0.borrow_mut();
        let place = lookups.iter().position(|(other, _)| other == name)?;
        Some(lookups.swap_remove(place).1)
    }
}

/// A lookup on a thread of its own, because the C library has no time limit.
struct Lookup {
    found: Receiver<Found>,
    until: Deadline,
}

impl Lookup {
    fn start(name: &str, family: Family, deadline: Deadline) -> Result<Self, Unresolved> {
        let found = begin(name, family).ok_or(Unresolved::NoThread)?;
        Ok(Self::of(found, deadline))
    }

    fn of(found: Receiver<Found>, deadline: Deadline) -> Self {
        Self { found, until: deadline.sooner(SHARE) }
    }

    /// `None` without an answer by `until`.
    fn wait(&self, until: Deadline) -> Option<Found> {
        self.found.recv_timeout(until.min(self.until).left()).ok()
    }

    fn result(&self) -> Found {
        self.wait(self.until).unwrap_or(Err(Unresolved::Silent))
    }
}

/// Starts the thread; `None` if the system has none left.
fn begin(name: &str, family: Family) -> Option<Receiver<Found>> {
    let (sender, found) = bounded(1);
    let name = name.to_owned();
    let lookup = move || {
        // After the time limit the receiver is gone.
        let _ = sender.send(look_up(&name, family));
    };
    thread::Builder::new().name("resolver".to_owned()).spawn(lookup).ok()?;
    Some(found)
}

fn look_up(name: &str, family: Family) -> Found {
    let family = match family {
        Family::V4 => AddrFamily::Inet,
        Family::V6 => AddrFamily::Inet6,
    };
    let hints = AddrInfoHints { address: family.into(), socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    let found = getaddrinfo(Some(name), None, Some(hints)).map_err(|error| match error.kind() {
        LookupErrorKind::NoName => Unresolved::NoName,
        LookupErrorKind::NoData | LookupErrorKind::Family => Unresolved::NoAddress,
        _ => Unresolved::Failed,
    })?;
    let addresses = found.flatten().map(|found| found.sockaddr.ip());
    let addresses: Vec<IpAddr> = addresses.take(MAX_ADDRESSES).collect();
    if addresses.is_empty() { Err(Unresolved::NoAddress) } else { Ok(addresses) }
}

/// The sentence and the remedy for a name without a usable address.
///
/// `setting` is where the name stands, `limit` the time that there was.
pub fn unresolved(name: &str, setting: &str, why: Unresolved, limit: Duration) -> Fault {
    let look = format!("getent ahosts {name}; cat /etc/resolv.conf");
    let public = "to use a public resolver: echo nameserver 9.9.9.9 >/etc/resolv.conf";
    let spelling = format!("check the spelling of {name} in {setting}: {look}");
    let (sentence, remedy) = match why {
        Unresolved::NoName => ("the name does not exist".to_owned(), spelling),
        Unresolved::NoAddress => ("the name has no address".to_owned(), spelling),
        Unresolved::Failed => (
            format!("the resolver failed, or its name servers cannot be reached{}", name_servers()),
            format!("{look}; {public}"),
        ),
        Unresolved::Silent => (
            format!("the resolver did not answer within {} s{}", seconds(limit.min(SHARE)), name_servers()),
            format!("allow outbound UDP and TCP port 53 to the name servers; {look}; {public}"),
        ),
        Unresolved::NoThread => (
            "this server has no thread left for the lookup".to_owned(),
            "raise the limit of processes: systemctl show opterius-agent -p TasksMax -p TasksCurrent".to_owned(),
        ),
    };
    Fault::new(Step::Resolve, format!("resolving {name}: {sentence}"), remedy)
}

/// The sentence and the remedy for a name that resolves to nowhere or to this machine.
pub fn sinkhole(name: &str, address: IpAddr) -> Fault {
    let place = if address.is_loopback() { "this machine, where it does not answer" } else { "which leads nowhere" };
    Fault::new(
        Step::Resolve,
        format!(
            "resolving {name}: the answer is {address}, {place}: an ad blocker's or filter's sinkhole, or a line in \
             /etc/hosts"
        ),
        format!(
            "allow {name} in the ad blocker or DNS filter, and remove it from /etc/hosts: getent ahosts {name}; grep -n \
             {name} /etc/hosts; cat /etc/resolv.conf"
        ),
    )
}

/// The name servers in words, for a sentence about them.
fn name_servers() -> String {
    let text = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let words = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        words.next().filter(|word| *word == "nameserver").and(words.next()).map(str::to_owned)
    };
    // The C library asks three at most.
    let servers: Vec<String> = text.lines().filter_map(words).take(3).collect();
    if servers.is_empty() {
        String::new()
    } else {
        format!(" (name servers in /etc/resolv.conf: {})", servers.join(", "))
    }
}
