//! The refused servers of a license with what helps each, for the dashboard, the API and the command line.

use crate::model::{ACTIVE_TIME, Block, Help, License, RefusedServer, Room, help};
use crate::store::{Error, ReadTransaction};
use opterius_base::clock::Timestamp;

/// A refused server and what helps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Helped {
    /// The server.
    pub server: RefusedServer,
    /// The block that keeps it out, if one does.
    pub block: Option<Block>,
    /// What helps, first what stands first in its way.
    pub help: Vec<Help>,
}

/// The refused servers of a license, latest refusal first.
///
/// # Errors
/// A store error.
pub fn refused(transaction: &ReadTransaction<'_>, license: &License, now: Timestamp) -> Result<Vec<Helped>, Error> {
    let servers = transaction.refused_servers(license.id)?;
    if servers.is_empty() {
        return Ok(Vec::new());
    }
    let blocks = transaction.blocks(license.id, now)?;
    let since = now.minus(ACTIVE_TIME);
    let allowed = license.plan.max_servers;
    let is_full = allowed > 0 && transaction.count_activations(license.id, since, allowed)? >= allowed;
    let mut helped = Vec::with_capacity(servers.len());
    for server in servers {
        let room = if is_full && !has_slot(transaction, license, &server, since)? { Room::Taken } else { Room::Free };
        let identity = server.details.server_id.as_deref();
        let block = blocks.iter().find(|block| block.applies_to(server.ip, identity)).cloned();
        let help = help(license, server.ip, block.as_ref(), room, now);
        helped.push(Helped { server, block, help });
    }
    Ok(helped)
}

/// Whether the server itself has one of the slots, as after a suspension that has ended.
fn has_slot(
    transaction: &ReadTransaction<'_>,
    license: &License,
    server: &RefusedServer,
    since: Timestamp,
) -> Result<bool, Error> {
    match transaction.slot(license.id, server.ip)? {
        Some(slot) if slot.last_seen_at > since => {
            let allowed = license.plan.max_servers;
            Ok(transaction.count_earlier(license.id, since, slot.sequence, allowed)? < allowed)
        }
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use super::*;
    use crate::actions::{self, Change, ChangeContext};
    use crate::model::{Actor, Details, Role};
    use crate::rules::{self, Decision, Inquiry};
    use crate::store::tests::Scratch;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn ip(last: u8) -> IpAddr {
        [203, 0, 113, last].into()
    }

    /// A check of a server, which is remembered if it is refused.
    fn check(scratch: &mut Scratch, last: u8) {
        scratch.change(NOW, |transaction| {
            let license = transaction.license(1)?.unwrap();
            let inquiry =
                Inquiry { observed_ip: ip(last), reported_ip: None, ip: ip(last), details: Details::default() };
            if let Decision::Denied(denial) = rules::verify(transaction, &license, &inquiry)? {
                let server = RefusedServer {
                    ip: ip(last),
                    reason: denial.reason().to_owned(),
                    message: denial.message(),
                    first_at: NOW,
                    last_at: NOW,
                    denials: 1,
                    details: Details::default(),
                };
                transaction.put_refusal(1, &server)?;
            }
            Ok::<_, Error>(())
        });
    }

    fn change(scratch: &mut Scratch, change: Change) {
        let actor = Actor { role: Role::Operator, name: "root".to_owned() };
        let context = ChangeContext { actor: &actor, seen: None };
        scratch.change(NOW, |transaction| actions::change(transaction, &context, 1, &change).map(drop));
    }

    /// What helps each refused server, by the last number of its address.
    fn helps(scratch: &mut Scratch, now: Timestamp) -> Vec<(u8, Vec<Help>)> {
        let helped = scratch.read(|transaction| {
            let license = transaction.license(1)?.unwrap();
            refused(transaction, &license, now)
        });
        let last = |ip: IpAddr| if let IpAddr::V4(ip) = ip { ip.octets()[3] } else { 0 };
        let mut helps: Vec<_> = helped.into_iter().map(|helped| (last(helped.server.ip), helped.help)).collect();
        helps.sort();
        helps
    }

    #[test]
    fn what_helps_follows_from_what_stands_in_the_way_now() {
        let mut scratch = Scratch::new();
        let operator = Actor { role: Role::Operator, name: "root".to_owned() };
        scratch.change(NOW, |transaction| {
            actions::add_user(transaction, &operator, "anna", "hash", false)?;
            actions::create(transaction, &operator, "anna", "free", Some(NOW.plus(DAY)), None, &actions::new_key()?)
        });
        let slot = vec![Help::Move, Help::Revoke, Help::Upgrade];
        check(&mut scratch, 1);
        check(&mut scratch, 2);
        assert_eq!(helps(&mut scratch, NOW), [(2, slot.clone())]);
        let both = |first: Help| [vec![first], slot.clone()].concat();
        change(&mut scratch, Change::Suspend);
        check(&mut scratch, 1);
        assert_eq!(helps(&mut scratch, NOW), [(1, vec![Help::Resume]), (2, both(Help::Resume))]);
        change(&mut scratch, Change::Resume);
        assert_eq!(helps(&mut scratch, NOW), [(1, vec![Help::Wait]), (2, slot.clone())]);
        let later = NOW.plus(DAY);
        assert_eq!(helps(&mut scratch, later), [(1, vec![Help::Renew]), (2, both(Help::Renew))]);
        change(&mut scratch, Change::LockIp(ip(1)));
        assert_eq!(helps(&mut scratch, NOW), [(1, vec![Help::Wait]), (2, vec![Help::MoveLock])]);
        change(&mut scratch, Change::UnlockIp);
        scratch.change(NOW, |transaction| actions::revoke(transaction, &operator, 1, ip(1), Some(DAY)).map(drop));
        assert_eq!(helps(&mut scratch, NOW), [(1, vec![Help::Unblock]), (2, vec![Help::Wait])]);
        check(&mut scratch, 2);
        assert_eq!(helps(&mut scratch, NOW), [(1, both(Help::Unblock))]);
    }
}
