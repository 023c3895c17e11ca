//! DNS zones on a machine with a PowerDNS server, which is asked like any resolver asks it.

use super::hosting;
use crate::support::eventually;
use crate::support::machine::{on_a_machine, run};
use crate::support::panel::Panel;
use serde_json::{Value, json};
use std::net::UdpSocket;
use std::time::Duration;

/// How soon the server answers with a change. Its caches keep answers for up to a minute if nothing tells it.
const SOON: Duration = Duration::from_secs(15);

const DATABASE: &str = "/var/lib/powerdns/test.sqlite3";
const SERVER: &str = "127.0.0.1:5353";

/// Starts PowerDNS, which reads the list of zones again after minutes only, unless it is told to.
pub(super) fn start_powerdns() {
    run(&format!(
        "rm -rf /etc/powerdns && mkdir -p /etc/powerdns /run/pdns
         sqlite3 {DATABASE} </usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql && chown -R pdns: {DATABASE} /run/pdns
         printf '%s\\n' launch=gsqlite3 gsqlite3-database={DATABASE} local-address=127.0.0.1 local-port=5353 >/etc/powerdns/pdns.conf
         systemd-run --quiet --unit=powerdns --property=RuntimeDirectory=pdns pdns_server --guardian=no --daemon=no \
           --socket-dir=/run/pdns --setuid=0 --setgid=0"
    ));
}

/// Sends a query (RFC 1035 §4.1) and returns the answers' types and data, or the error code.
pub(super) fn ask(name: &str, kind: u16) -> Result<Vec<(u16, Vec<u8>)>, u8> {
    let mut query = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(label.len() as u8);
        query.extend(label.bytes());
    }
    query.push(0);
    query.extend([kind.to_be_bytes(), 1_u16.to_be_bytes()].concat());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    socket.connect(SERVER).unwrap();
    let mut answer = [0; 4096];
    socket.send(&query).map_err(|_| 255)?;
    let length = socket.recv(&mut answer).map_err(|_| 255)?;
    let answer = &answer[..length];
    if answer[3] & 15 != 0 {
        return Err(answer[3] & 15);
    }
    let number = |at: usize| u16::from_be_bytes([answer[at], answer[at + 1]]);
    let mut at = query.len();
    Ok((0..number(6))
        .map(|_| {
            // Names are compressed to two bytes.
            let (kind, length) = (number(at + 2), usize::from(number(at + 10)));
            let data = answer[at + 12..at + 12 + length].to_vec();
            at += 12 + length;
            (kind, data)
        })
        .collect())
}

/// Waits until the server gives these addresses; none means that the name does not exist.
fn resolves(name: &str, addresses: &[[u8; 4]]) {
    let mut last = Err(0);
    let mut expected: Vec<Vec<u8>> = addresses.iter().map(|address| address.to_vec()).collect();
    expected.sort();
    let is_so = eventually(SOON, || {
        last = ask(name, 1);
        match &last {
            Ok(answers) => {
                let mut found: Vec<Vec<u8>> = answers.iter().map(|(_, data)| data.clone()).collect();
                found.sort();
                found == expected
            }
            Err(code) => expected.is_empty() && matches!(code, 3 | 5),
        }
    });
    let journal = || run("journalctl --no-pager -n 30 -u powerdns");
    assert!(is_so, "{name}: expected {addresses:?}, got {last:?}\n{}", journal());
}

fn create_zone(panel: &Panel, domain: &str) {
    let body = json!({"domain": domain, "server_ip": "192.0.2.1", "ns1": "ns1.example.net", "ns2": "ns2.example.net"});
    assert_eq!(panel.post("/dns/create-zone", &body).ok()["created"], true);
}

fn serial(domain: &str) -> Vec<u8> {
    let answers = ask(domain, 6).unwrap();
    let (_, data) = &answers[0];
    data[data.len() - 20..data.len() - 16].to_vec()
}

#[test]
fn the_server_answers_with_the_records_of_the_panel() {
    on_a_machine(the_server_answers_with_the_records_of_the_panel, || {
        let panel = hosting(5);
        start_powerdns();
        panel.created("alice", "alice.example");
        panel.created("bob", "bob.example");
        create_zone(&panel, "alice.example");
        create_zone(&panel, "bob.example");
        resolves("www.alice.example", &[[192, 0, 2, 1]]);
        let before = serial("alice.example");

        let record = |kind: &str, name: &str, content: &str| {
            let body = json!({"domain": "alice.example", "name": name, "type": kind, "content": content, "ttl": "300", "priority": "10"});
            panel.post("/dns/add-record", &body).ok()["record"].clone()
        };
        let added = record("A", "blog", "192.0.2.7");
        resolves("blog.alice.example", &[[192, 0, 2, 7]]);
        assert!(eventually(SOON, || serial("alice.example") > before), "the serial must grow");
        let long = "x".repeat(400);
        record("TXT", "@", &long);
        let strings = |(_, data): &(u16, Vec<u8>)| (data[0], data.len());
        assert!(eventually(SOON, || ask("alice.example", 16)
            .unwrap()
            .iter()
            .map(strings)
            .any(|found| found == (255, 402))));
        record("CNAME", "shop", "shops.example.net");
        assert!(eventually(SOON, || ask("shop.alice.example", 5).is_ok_and(|answers| answers.len() == 1)));

        let listed = panel.post("/dns/list-records", &json!({"domain": "alice.example"})).ok()["records"].clone();
        let listed = listed.as_array().unwrap().clone();
        assert!(listed.contains(&added), "{listed:?}");
        let is_whole = |record: &Value| {
            ["id", "ttl", "priority"].iter().all(|name| record[*name].is_u64())
                && ["name", "type", "content"].iter().all(|name| record[*name].is_string())
        };
        assert!(listed.iter().all(is_whole), "{listed:?}");
        let deletion = json!({"domain": "alice.example", "id": added["id"]});
        panel.post("/dns/delete-record", &deletion).ok();
        resolves("blog.alice.example", &[]);
        panel.post("/dns/delete-record", &deletion).refuses(404, "not_found");

        // Deleted with the account; bob's zone and a foreign one stay.
        run(&format!("sqlite3 {DATABASE} \"INSERT INTO domains (name, type) VALUES ('foreign.example', 'NATIVE')\""));
        panel.delete("alice").ok();
        resolves("www.alice.example", &[]);
        resolves("www.bob.example", &[[192, 0, 2, 1]]);
        let zones = run(&format!("sqlite3 {DATABASE} 'SELECT name FROM domains ORDER BY name'"));
        assert_eq!(zones, "bob.example\nforeign.example\n");
        let body = json!({"domain": "bob.example", "name": "x", "type": "A", "content": "192.0.2.9", "ttl": 60});
        panel.post("/dns/add-record", &body).ok();
        resolves("x.bob.example", &[[192, 0, 2, 9]]);
    });
}
