use super::*;
use crate::testing::{Tree, named, soon, sql, user, with_powerdns};
use opterius_host::tool::Output;

fn request(domain: &str, server_ip: &str, ns1: &str) -> CreateZone {
    CreateZone {
        domain: named(domain),
        server_ip: server_ip.parse().unwrap(),
        ns1: named(ns1),
        ns2: named("ns2.host.net"),
    }
}

#[test]
fn a_zone_has_the_records_that_a_new_site_needs() {
    let now = Timestamp::parse_rfc3339("2026-03-01T23:59:59Z").unwrap();
    let expected = "$TTL 3600\n\
                    example.com. SOA ns1.host.net. hostmaster.example.com. 2026030101 10800 3600 604800 3600\n\
                    example.com. NS ns1.host.net.\n\
                    example.com. NS ns2.host.net.\n\
                    example.com. A 203.0.113.5\n\
                    mail.example.com. A 203.0.113.5\n\
                    www.example.com. A 203.0.113.5\n\
                    example.com. MX 10 mail.example.com.\n\
                    example.com. TXT \"v=spf1 a mx ip4:203.0.113.5 ~all\"\n";
    assert_eq!(zone(&request("example.com", "203.0.113.5", "ns1.host.net"), now), expected);
    let six = zone(&request("example.com", "2001:db8::5", "ns1.example.com"), now);
    assert!(six.contains("\nns1.example.com. AAAA 2001:db8::5\n") && six.contains("ip6:2001:db8::5"), "{six}");
    let twice = zone(&request("host.net", "203.0.113.5", "ns2.host.net"), now);
    assert_eq!((twice.matches(" NS ").count(), twice.matches("\nns2.host.net. A ").count()), (1, 1), "{twice}");
}

fn listed(tree: &Tree, domain: &str) -> Output {
    PowerDns::new(&tree.host).unwrap().tool("list-zone", &named(domain)).unwrap().run(soon()).unwrap()
}

/// The accounts of all zones, from the database itself.
fn owners(tree: &Tree) -> String {
    let query = "SELECT name || ' ' || COALESCE(account, '') FROM domains ORDER BY name";
    sql(tree, query)
}

#[test]
fn a_zone_is_created_for_its_account_and_left_unchanged_afterwards() {
    let tree = with_powerdns();
    let create = |ip: &str| tree.perform(&request("example.com", ip, "ns1.example.com"));
    assert_eq!(create("203.0.113.5").unwrap(), json!({"domain": "example.com", "created": true}));
    let before = listed(&tree, "example.com").stdout;
    assert_eq!(before.lines().filter(|line| line.contains("203.0.113.5")).count(), 5, "{before}");
    assert_eq!(create("203.0.113.6").unwrap(), json!({"domain": "example.com", "created": false}));
    assert_eq!(listed(&tree, "example.com").stdout, before);
    let six = tree.perform(&request("example.org", "2001:db8::5", "ns1.host.net")).unwrap();
    assert_eq!(six, json!({"domain": "example.org", "created": true}));
    assert_eq!(owners(&tree), "example.com alice\nexample.org bob\n");
}

#[test]
fn a_zone_of_another_owner_is_a_conflict() {
    let tree = with_powerdns();
    tree.perform(&request("example.com", "203.0.113.5", "ns1.host.net")).unwrap();
    // The domain's site belongs to bob now; the zone is still alice's.
    tree.publish("example.com", "bob");
    let refused = tree.perform(&request("example.com", "203.0.113.6", "ns1.host.net"));
    let Err(Problem::Conflict(sentence)) = refused else { panic!("{refused:?}") };
    assert!(sentence.contains("“alice”") && sentence.contains("pdnsutil delete-zone"), "{sentence}");
    assert!(!listed(&tree, "example.com").stdout.contains("203.0.113.6"));
    assert_eq!(owners(&tree), "example.com alice\n");
    let nobodys = tree.perform(&request("nowhere.org", "203.0.113.6", "ns1.host.net"));
    assert!(matches!(nobodys, Err(Problem::NotFound(_))), "{nobodys:?}");
}

#[test]
fn a_zone_without_an_owner_is_never_changed() {
    let tree = with_powerdns();
    sql(&tree, "INSERT INTO domains (name, type) VALUES ('example.com', 'NATIVE')");
    let answer = tree.perform(&request("example.com", "203.0.113.5", "ns1.host.net")).unwrap();
    assert!(answer["created"] == false && answer["warnings"][0].as_str().unwrap().contains("set-account"), "{answer}");
    assert_eq!(owners(&tree), "example.com \n");
    assert_eq!(sql(&tree, "SELECT COUNT(*) FROM records"), "0\n");
    assert_eq!(owner::delete_zones(&tree.host, &user("alice"), soon()), [""; 0]);
    assert_eq!(owners(&tree), "example.com \n");
}

#[test]
fn the_zones_of_a_deleted_account_go_and_no_others() {
    let tree = with_powerdns();
    for domain in ["example.com", "shop.example.com", "example.org"] {
        tree.perform(&request(domain, "203.0.113.5", "ns1.host.net")).unwrap();
    }
    assert_eq!(owner::delete_zones(&tree.host, &user("alice"), soon()), [""; 0]);
    assert_eq!(owners(&tree), "example.org bob\n");
    assert_eq!(sql(&tree, "SELECT COUNT(*) FROM records WHERE domain_id NOT IN (SELECT id FROM domains)"), "0\n");
    assert_eq!(owner::delete_zones(&tree.host, &user("alice"), soon()), [""; 0]);
    tree.write("/etc/powerdns/pdns.conf", "launch=gsqlite3\ngsqlite3-database=/nowhere\n");
    let warnings = owner::delete_zones(&tree.host, &user("alice"), soon());
    assert!(warnings[0].contains("DNS zones of “alice” may be left"), "{warnings:?}");
}

#[test]
fn adoption_gives_zones_of_earlier_versions_to_the_accounts_of_their_domains() {
    let tree = with_powerdns();
    let soa = |domain: &str, serial: &str| {
        format!(
            "INSERT INTO domains (name, type) VALUES ('{domain}', 'NATIVE'); INSERT INTO records (domain_id, name, type, content) \
             SELECT id, name, 'SOA', 'ns1.host.net hostmaster.{domain} {serial} 10800 3600 604800 3600' FROM domains WHERE \
             name='{domain}';"
        )
    };
    // The last two were made by others: with pdnsutil's own serial, and for a domain that no account has.
    let zones = [("example.com", "2026030105"), ("example.org", "1"), ("nowhere.net", "2026030101")];
    sql(&tree, &zones.map(|(domain, serial)| soa(domain, serial)).concat());
    let sentences = owner::adopt_zones(&tree.host, soon());
    assert!(sentences.len() == 1 && sentences[0].contains("“example.com” now belongs to “alice”"), "{sentences:?}");
    assert_eq!(owners(&tree), "example.com alice\nexample.org \nnowhere.net \n");
    assert_eq!(owner::adopt_zones(&tree.host, soon()), [""; 0]);
}

#[test]
fn a_powerdns_without_a_database_has_no_zones() {
    let tree = with_powerdns();
    tree.write("/etc/powerdns/pdns.conf", "");
    assert_eq!(owner::delete_zones(&tree.host, &user("alice"), soon()), [""; 0]);
    assert_eq!(owner::adopt_zones(&tree.host, soon()), [""; 0]);
}

#[test]
fn a_zone_below_another_one_is_created_with_a_warning_about_its_delegation() {
    let tree = with_powerdns();
    let create = |domain: &str| tree.perform(&request(domain, "203.0.113.5", "ns1.host.net")).unwrap();
    create("example.com");
    let answer = create("shop.example.com");
    let warning = answer["warnings"][0].as_str().unwrap();
    assert!(answer["created"] == true && warning.contains("No delegation for zone 'shop.example.com'"), "{answer}");
    assert!(listed(&tree, "shop.example.com").stdout.contains("SOA"));
}

#[test]
fn an_empty_zone_of_ours_is_filled() {
    let tree = with_powerdns();
    let server = PowerDns::new(&tree.host).unwrap();
    server.create(&named("example.com"), &user("alice"), soon()).unwrap();
    assert!(server.load(&named("example.com"), "this is not a zone\n", soon()).is_err());
    let answer = tree.perform(&request("example.com", "203.0.113.5", "ns1.host.net"));
    assert_eq!(answer.unwrap()["created"], true);
    assert_eq!(owners(&tree), "example.com alice\n");
}

#[test]
fn a_rejected_zone_leaves_nothing_behind() {
    let tree = with_powerdns();
    // A CNAME next to other records can be stored but is invalid.
    let server = PowerDns::new(&tree.host).unwrap();
    let domain = named("example.com");
    let good = zone(&request("example.com", "203.0.113.5", "ns1.host.net"), SystemClock.wall());
    server.create(&domain, &user("alice"), soon()).unwrap();
    server.load(&domain, &format!("{good}www.example.com. CNAME example.com.\n"), soon()).unwrap();
    assert!(server.check(&domain, soon()).is_err());
    server.delete(&domain, soon()).unwrap();
    assert_eq!(owners(&tree), "");
}

#[test]
fn without_a_working_powerdns_zones_are_unavailable() {
    let tree = Tree::new();
    tree.account(&["example.com"]);
    let create = || tree.perform(&request("example.com", "203.0.113.5", "ns1.host.net"));
    let Err(Problem::Unavailable(sentence)) = create() else { panic!() };
    assert!(sentence.contains("PowerDNS"), "{sentence}");
    for config in ["", "launch=gsqlite3\ngsqlite3-database=/nowhere\n", "launch=bind\n"] {
        tree.write("/etc/powerdns/pdns.conf", config);
        assert!(matches!(create(), Err(Problem::Unavailable(_))), "{config}");
    }
}
