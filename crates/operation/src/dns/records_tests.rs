//! The three operations on records, with a real PowerDNS.

use super::*;
use opterius_host::request::Request;

use crate::operations::perform;
use crate::perform::{Context, PassedFiles};
use crate::testing::{Tree, soon, sql, with_powerdns};
use opterius_host::helper::protocol::Allowance;

fn ask(tree: &Tree, path: &str, body: Value) -> Result<Value, Problem> {
    let request = Request::from_json(path, Some(body))?;
    let (allowance, files) = (Allowance::default(), PassedFiles::default());
    perform(&request, Context { host: &tree.host, allowance: &allowance, deadline: soon(), files: &files })
}

fn with_zones() -> Tree {
    let tree = with_powerdns();
    for domain in ["example.com", "example.org"] {
        let body = json!({"domain": domain, "server_ip": "203.0.113.5", "ns1": "ns1.host.net", "ns2": "ns2.host.net"});
        ask(&tree, "/dns/create-zone", body).unwrap();
    }
    tree
}

fn records(tree: &Tree, domain: &str) -> Vec<Value> {
    ask(tree, "/dns/list-records", json!({ "domain": domain })).unwrap()["records"].as_array().unwrap().clone()
}

fn add(tree: &Tree, name: &str, kind: &str, content: &str) -> Result<Value, Problem> {
    let body = json!({"domain": "example.com", "name": name, "type": kind, "content": content, "ttl": "300"});
    ask(tree, "/dns/add-record", body)
}

fn serial(tree: &Tree) -> u64 {
    let soa = sql(tree, "SELECT content FROM records WHERE type='SOA' AND name='example.com'");
    soa.split(' ').nth(2).unwrap().parse().unwrap()
}

fn contents(tree: &Tree, name: &str) -> String {
    sql(tree, &format!("SELECT type || ' ' || content FROM records WHERE name='{name}' ORDER BY type, content"))
}

#[test]
fn records_are_added_listed_and_deleted_by_id() {
    let tree = with_zones();
    let others = records(&tree, "example.org");
    for (name, kind, content, stored) in [
        ("blog", "A", "203.0.113.9", "A 203.0.113.9\n"),
        ("blog", "AAAA", "2001:DB8::9", "A 203.0.113.9\nAAAA 2001:db8::9\n"),
        ("shop", "CNAME", "shops.example.net", "CNAME shops.example.net\n"),
        ("_sip._tcp", "SRV", "10 5 5060 sip.example.net", "SRV 5 5060 sip.example.net\n"),
        ("_dmarc", "TXT", "v=DMARC1; p=none", "TXT \"v=DMARC1; p=none\"\n"),
        ("sub", "NS", "ns1.example.net.", "NS ns1.example.net\n"),
        ("caa", "CAA", "0 issue letsencrypt.org", "CAA 0 issue \"letsencrypt.org\"\n"),
        ("mail2", "MX", "mail.example.net", "MX mail.example.net\n"),
    ] {
        let before = serial(&tree);
        let answer = add(&tree, name, kind, content).unwrap_or_else(|problem| panic!("{kind}: {}", problem.message()));
        assert!(serial(&tree) > before && answer["created"] == true, "{kind}: {answer}");
        let full = format!("{name}.example.com");
        assert_eq!(contents(&tree, &full), stored);
        let listed = records(&tree, "example.com");
        let own = listed.iter().find(|record| record["name"] == full.as_str() && record["type"] == kind).unwrap();
        assert_eq!((&answer["record"], &own["ttl"]), (own, &json!(300)), "{kind}");
    }
    for record in records(&tree, "example.com") {
        let before = serial(&tree);
        let answer = ask(&tree, "/dns/delete-record", json!({"domain": "example.com", "id": record["id"].to_string()}));
        if record["type"] == "SOA" {
            assert!(matches!(answer, Err(Problem::Conflict(_))), "{answer:?}");
        } else if let Ok(answer) = answer {
            assert!(answer["deleted"] == 1 && serial(&tree) > before, "{record}: {answer}");
        } else {
            assert_eq!((&record["type"], &record["name"]), (&json!("NS"), &json!("example.com")), "{answer:?}");
        }
    }
    let left: Vec<String> = records(&tree, "example.com").iter().map(|record| record["type"].to_string()).collect();
    assert_eq!(left, ["\"NS\"", "\"SOA\""]);
    assert_eq!(records(&tree, "example.org"), others);
}

#[test]
fn a_repeated_addition_changes_nothing_but_the_serial() {
    let tree = with_zones();
    let first = add(&tree, "www2", "A", "203.0.113.9").unwrap();
    let second = add(&tree, "www2.example.com.", "A", "203.0.113.9").unwrap();
    assert_eq!((&first["created"], &second["created"]), (&json!(true), &json!(false)));
    assert_eq!(
        (contents(&tree, "www2.example.com").as_str(), &first["record"]),
        ("A 203.0.113.9\n", &second["record"])
    );
    // The ids of the others stay the same when one is added beside them.
    add(&tree, "www2", "A", "203.0.113.10").unwrap();
    assert!(records(&tree, "example.com").contains(&first["record"]));
    let answer =
        ask(&tree, "/dns/delete-record", json!({"domain": "example.com", "id": first["record"]["id"]})).unwrap();
    assert_eq!((&answer["deleted"], contents(&tree, "www2.example.com").as_str()), (&json!(1), "A 203.0.113.10\n"));
    let again = ask(&tree, "/dns/delete-record", json!({"domain": "example.com", "id": first["record"]["id"]}));
    assert!(matches!(again, Err(Problem::NotFound(_))), "{again:?}");
}

#[test]
fn records_are_deleted_by_name_and_type() {
    let tree = with_zones();
    for content in ["203.0.113.9", "203.0.113.10"] {
        add(&tree, "www2", "A", content).unwrap();
    }
    add(&tree, "www2", "TXT", "stays").unwrap();
    let body = json!({"domain": "example.com", "name": "www2", "type": "A"});
    assert_eq!(ask(&tree, "/dns/delete-record", body.clone()).unwrap()["deleted"], 2);
    assert_eq!(contents(&tree, "www2.example.com"), "TXT \"stays\"\n");
    assert_eq!(ask(&tree, "/dns/delete-record", body).unwrap()["deleted"], 0);
    let vital = ask(&tree, "/dns/delete-record", json!({"domain": "example.com", "name": "@", "type": "NS"}));
    assert!(matches!(vital, Err(Problem::Conflict(_))), "{vital:?}");
}

#[test]
fn a_cname_is_the_only_record_of_its_name() {
    let tree = with_zones();
    let before = contents(&tree, "www.example.com");
    for (name, kind, content) in
        [("www", "CNAME", "example.net"), ("www", "CNAME", "example.com"), ("mail", "CNAME", "example.net")]
    {
        assert!(matches!(add(&tree, name, kind, content), Err(Problem::Conflict(_))), "{name}");
    }
    assert!(matches!(add(&tree, "@", "CNAME", "example.net"), Err(Problem::Invalid { .. })));
    assert_eq!(contents(&tree, "www.example.com"), before);
    add(&tree, "shop", "CNAME", "example.net").unwrap();
    for (kind, content) in [("A", "203.0.113.5"), ("TXT", "x"), ("CNAME", "example.org")] {
        assert!(matches!(add(&tree, "shop", kind, content), Err(Problem::Conflict(_))), "{kind}");
    }
    assert_eq!(add(&tree, "shop", "CNAME", "example.net").unwrap()["created"], false);
}

#[test]
fn only_zones_of_accounts_are_read_and_changed() {
    let tree = with_zones();
    let refused = |domain: &str| {
        let record = json!({"domain": domain, "name": "x", "type": "A", "content": "203.0.113.5", "ttl": 300});
        let deletion = json!({"domain": domain, "name": "www", "type": "A"});
        let requests = [
            ("/dns/list-records", json!({ "domain": domain })),
            ("/dns/add-record", record),
            ("/dns/delete-record", deletion),
        ];
        requests.map(|(path, body)| ask(&tree, path, body).unwrap_err().status())
    };
    assert_eq!(refused("nowhere.org"), [404; 3]);
    let all = || sql(&tree, "SELECT name, type, content FROM records ORDER BY id");
    let before = all();
    // A zone without an owner, of a user that is not an account, and of another account than the site's.
    for account in ["", "carol", "bob"] {
        sql(&tree, &format!("UPDATE domains SET account='{account}' WHERE name='example.com'"));
        assert_eq!(refused("example.com"), [409; 3], "{account}");
    }
    sql(&tree, "UPDATE domains SET account='alice' WHERE name='example.com'");
    // A name that is meant for another site.
    for name in ["www.example.org", "example.org", "example.org."] {
        assert!(matches!(add(&tree, name, "A", "203.0.113.5"), Err(Problem::Invalid { .. })), "{name}");
    }
    assert_eq!(all(), before);
    add(&tree, "x", "A", "203.0.113.5").unwrap();
}

#[test]
fn records_that_make_a_zone_invalid_are_taken_back_unless_it_was_invalid_before() {
    let tree = with_zones();
    let server = crate::servers::powerdns::PowerDns::new(&tree.host).unwrap();
    let zone = Domain::parse("domain", "example.com").unwrap();
    let all = || sql(&tree, "SELECT name, type, content FROM records WHERE type <> 'SOA' ORDER BY name, type, content");
    let before = all();
    let records = parse(&server.list(&zone, soon()).unwrap());
    let www: Vec<_> = records.iter().filter(|record| record.is_of("www.example.com", "CNAME")).collect();
    let data = ["example.net.".to_owned()];
    let changed = crate::dns::change::replace(&server, &zone, ("www.example.com", "CNAME"), &www, (60, &data), soon());
    assert!(changed.is_err());
    assert_eq!(all(), before);
    // A fault elsewhere in the zone does not stop a change.
    sql(
        &tree,
        "INSERT INTO records (domain_id,name,type,content,ttl) SELECT domain_id,'www.example.com','CNAME','a.example.net',60 FROM records WHERE name='www.example.com'",
    );
    add(&tree, "ok", "A", "203.0.113.5").unwrap();
    assert_eq!(contents(&tree, "ok.example.com"), "A 203.0.113.5\n");
}

const LISTING: &str = "$ORIGIN .\n\
    _sip._tcp.example.com\t300\tIN\tSRV\t10 20 5060 sip.example.com.\n\
    example.com\t3600\tIN\tMX\t10 mail.example.com.\n\
    example.com\t3600\tIN\tMX\t0 .\n\
    example.com\t3600\tIN\tSOA\tns1.host.net hostmaster.example.com 2026030101 10800 3600 604800 3600\n\
    example.com\t300\tIN\tTXT\t\"a;b\" \"c\\195\\169\"\n\
    www.example.com\t300\tIN\tA\t203.0.113.5\n\
    broken\n\n";

#[test]
fn records_have_all_members_that_the_panel_reads() {
    let records = parse(LISTING);
    let shown: Vec<Value> = records.iter().map(Record::to_json).collect();
    let find = |kind: &str| shown.iter().filter(|record| record["type"] == kind).collect::<Vec<_>>();
    assert_eq!((records.len(), find("SOA").len()), (6, 1));
    let check = |record: &Value, content: &str, priority: u16| {
        assert_eq!((&record["content"], &record["priority"]), (&json!(content), &json!(priority)));
        assert!(record["id"].as_i64().is_some_and(|id| (1..=MAX_ID).contains(&id)), "{record}");
    };
    check(find("SRV")[0], "20 5060 sip.example.com", 10);
    check(find("MX")[0], ".", 0);
    check(find("MX")[1], "mail.example.com", 10);
    check(find("TXT")[0], "a;bcé", 0);
    check(find("A")[0], "203.0.113.5", 0);
    assert_eq!((&find("A")[0]["name"], &find("A")[0]["ttl"]), (&json!("www.example.com"), &json!(300)));
}

#[test]
fn an_id_stays_the_same_while_the_record_does() {
    let ids =
        |listing: &str| parse(listing).into_iter().map(|record| (record.data, record.id)).collect::<BTreeSet<_>>();
    let lines: Vec<&str> = LISTING.lines().collect();
    let reversed: Vec<&str> = lines.iter().rev().copied().collect();
    assert_eq!(ids(&reversed.join("\n")), ids(LISTING));
    let without: Vec<&str> = lines.iter().filter(|line| !line.contains("203")).copied().collect();
    assert!(ids(&without.join("\n")).is_subset(&ids(LISTING)));
    assert_eq!(ids(&LISTING.replace("\t300\t", "\t60\t")), ids(LISTING));
    // Two that a database has twice are still told apart.
    let twice = format!("{LISTING}www.example.com\t300\tIN\tA\t203.0.113.5\n");
    assert_eq!(ids(&twice).len(), ids(LISTING).len() + 1);
}

#[test]
fn a_name_is_made_relative() {
    let zone = Domain::parse("domain", "example.com").unwrap();
    for (name, expected) in
        [("example.com", "@"), ("www.example.com", "www"), ("A.b.Example.com", "A.b"), ("*.example.com", "*")]
    {
        assert_eq!(relative(name, &zone).unwrap(), expected);
    }
    assert!(relative("-x.example.com", &zone).is_err());
}
