use super::*;
use crate::model::Details;
use crate::store::tests::Scratch;
use crate::store::{Heartbeat, NewLicense};
use opterius_base::secret::Secret;

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

fn with_licenses(count: u32) -> Scratch {
    let mut scratch = Scratch::new();
    scratch.change(NOW, |transaction| {
        transaction.insert_user("anna", "hash", false)?;
        for number in 0..count {
            transaction.insert_license(&NewLicense::plain(&Secret::new(format!("KEY-{number}")), 1, "free"))?;
        }
        Ok::<_, Error>(())
    });
    scratch
}

fn refused(number: u8, at: i64, denials: u32) -> RefusedServer {
    RefusedServer {
        ip: [203, 0, 113, number].into(),
        reason: "server_limit_reached".to_owned(),
        message: "full".to_owned(),
        first_at: Timestamp::from_unix(at),
        last_at: Timestamp::from_unix(at),
        denials,
        details: Details::default(),
    }
}

const NO_DETAILS: Details =
    Details { hostname: None, agent_version: None, panel_version: None, os: None, server_id: None };

fn from(ip: IpAddr) -> Heartbeat<'static> {
    Heartbeat { ip, observed_ip: ip, reported_ip: None, details: &NO_DETAILS }
}

#[test]
fn a_second_refusal_is_added_to_the_first() {
    let mut scratch = with_licenses(1);
    let mut put = |refused: RefusedServer| scratch.change(NOW, |transaction| transaction.put_refusal(1, &refused));
    let details = Details { hostname: Some("web".to_owned()), server_id: Some("x".to_owned()), ..Details::default() };
    assert!(put(RefusedServer { details, ..refused(1, 100, 2) }));
    assert!(!put(RefusedServer { reason: "suspended".to_owned(), ..refused(1, 200, 3) }));
    let found = scratch.read(|transaction| transaction.refused_servers(1));
    let [found] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((found.first_at.unix(), found.last_at.unix(), found.denials), (100, 200, 5));
    assert_eq!((found.reason.as_str(), found.details.hostname.as_deref()), ("suspended", Some("web")));
    assert!(scratch.read(|transaction| transaction.record(1, &from(found.ip), NOW)).was_refused);
    assert!(!scratch.read(|transaction| transaction.record(1, &from([203, 0, 113, 2].into()), NOW)).was_refused);
    assert!(scratch.change(NOW, |transaction| transaction.delete_refusal(1, found.ip)));
    assert!(!scratch.change(NOW, |transaction| transaction.delete_refusal(1, found.ip)));
}

#[test]
fn a_license_remembers_a_hundred_and_drops_the_oldest() {
    let mut scratch = with_licenses(2);
    for number in 0..=u8::MAX {
        // Number 7 was refused last.
        let at = if number == 7 { 10_000 } else { 1000 + i64::from(number) };
        scratch.change(NOW, |transaction| transaction.put_refusal(1, &refused(number, at, 1)));
    }
    scratch.change(NOW, |transaction| transaction.put_refusal(2, &refused(0, 1, 1)));
    let found = scratch.read(|transaction| transaction.refused_servers(1));
    assert_eq!(found.len(), 100);
    assert_eq!(found[0].ip, IpAddr::from([203, 0, 113, 7]));
    assert_eq!(found[99].ip, IpAddr::from([203, 0, 113, 157]), "the oldest that is left");
    assert_eq!(scratch.read(|transaction| transaction.refused_servers(2)).len(), 1, "another license keeps its own");
}

#[test]
fn a_deleted_license_stores_no_refusal_and_keeps_none() {
    let mut scratch = with_licenses(1);
    scratch.change(NOW, |transaction| transaction.put_refusal(1, &refused(1, 1, 1)));
    scratch.change(NOW, |transaction| {
        transaction.put_block(1, &Block { ip: [1, 1, 1, 1].into(), ends_at: NOW, server_id: None })
    });
    scratch.change(NOW, |transaction| transaction.delete_license(1));
    assert!(!scratch.change(NOW, |transaction| transaction.put_refusal(1, &refused(1, 1, 1))));
    assert!(scratch.read(|transaction| transaction.refused_servers(1)).is_empty());
}

#[test]
fn a_block_ends_at_its_time() {
    let mut scratch = with_licenses(1);
    let ip = IpAddr::from([203, 0, 113, 1]);
    let until = |seconds: i64, server_id: Option<&str>| Block {
        ip,
        ends_at: Timestamp::from_unix(seconds),
        server_id: server_id.map(str::to_owned),
    };
    scratch.change(NOW, |transaction| transaction.put_block(1, &until(100, Some("x"))));
    scratch.change(NOW, |transaction| transaction.put_block(1, &until(200, None)));
    let at = Timestamp::from_unix;
    assert_eq!(scratch.read(|transaction| transaction.blocks(1, at(199))), [until(200, Some("x"))]);
    assert_eq!(scratch.read(|transaction| transaction.blocks(1, at(200))), []);
    assert!(scratch.read(|transaction| transaction.record(1, &from(ip), at(199))).has_blocks);
    assert!(!scratch.read(|transaction| transaction.record(1, &from(ip), at(200))).has_blocks);
    assert!(scratch.change(at(199), |transaction| transaction.delete_block(1, ip)));
    assert!(!scratch.change(at(199), |transaction| transaction.delete_block(1, ip)));
}

#[test]
fn what_is_due_is_found_page_by_page_and_deleted_unless_it_has_changed() {
    let mut scratch = with_licenses(3);
    for (license, number, last) in [(1, 1, 100), (1, 2, 300), (2, 1, 100), (3, 1, 900), (3, 2, 100)] {
        scratch.change(NOW, |transaction| transaction.put_refusal(license, &refused(number, last, 1)));
    }
    let (earliest, latest) = (Timestamp::from_unix(200), Timestamp::from_unix(800));
    let mut found = Vec::new();
    let mut next = Some((0, String::new()));
    while let Some(after) = next {
        let page =
            scratch.read(|transaction| transaction.due_servers(ServerTable::Refusals, &after, 2, earliest, latest));
        found.extend(page.found);
        next = page.next;
    }
    let ip = |number: u8| IpAddr::from([203, 0, 113, number]);
    assert_eq!(found, [(1, ip(1)), (2, ip(1)), (3, ip(1)), (3, ip(2))]);
    scratch.change(NOW, |transaction| transaction.put_refusal(2, &refused(1, 300, 1)));
    let deleted = found.iter().map(|due| {
        scratch.change(NOW, |transaction| transaction.delete_due_server(ServerTable::Refusals, *due, earliest, latest))
    });
    assert_eq!(deleted.collect::<Vec<_>>(), [true, false, true, true]);
}
