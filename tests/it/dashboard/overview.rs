//! The overview: its figures against what the test itself did, over days, restarts and kills.

use super::hostile_text::{HOSTILE, SHORT, assert_harmless, assert_page_is_strict};
use super::*;
use crate::support::process::START;
use crate::support::timed_license_server::{BEGINNING, DAY, TimedLicenseServer};
use opterius_base::clock::{Clock as _, Timestamp};
use opterius_license_server::actions::Change;
use opterius_license_server::model::{Day, Figures, Plan};
use rustix::process::Signal;
use std::time::Duration;

/// The text of the element with this id, without markup.
fn text_at(page: &str, id: &str) -> String {
    let begin = format!("id=\"{id}\"");
    let (_, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("no {id}: {page}"));
    let (_, rest) = rest.split_once('>').unwrap();
    rest.split('<').next().unwrap().to_owned()
}

/// The texts of the cells in the row with this id, or in the row whose head is this text.
fn cells(page: &str, begin: &str) -> Vec<String> {
    let (_, rest) = page.split_once(begin).unwrap_or_else(|| panic!("no {begin}: {page}"));
    let row = rest.split("</tr>").next().unwrap();
    let texts = row.split("<td").skip(1).map(|cell| {
        let mut text = String::new();
        let mut is_markup = true;
        for letter in cell.split("</td>").next().unwrap().chars() {
            match letter {
                '<' => is_markup = true,
                '>' => is_markup = false,
                letter if !is_markup => text.push(letter),
                _ => {}
            }
        }
        text.trim().to_owned()
    });
    texts.collect()
}

fn day(page: &str, date: &str) -> Vec<String> {
    cells(page, &format!("id=\"day-{date}\""))
}

/// Stops the server as a service manager does, and starts it again.
fn restart(server: &mut LicenseServerProcess) {
    server.signal(Signal::TERM);
    server.wait_exit(START);
    server.restart();
}

/// Waits until the server has counted by itself at this time of its clock, after which it makes no other count for a minute.
fn wait_for_count(server: &TimedLicenseServer) {
    let now = server.clock.wall();
    let figures = || server.database.read(|transaction| transaction.latest_figures());
    assert!(eventually(START, || figures().is_some_and(|figures| figures.at == now)), "{:?}", figures());
}

/// Waits until everything was counted after `since`, and returns the page.
fn counted_page(server: &LicenseServerProcess, since: Timestamp) -> String {
    let figures = || server.database.read(|transaction| transaction.latest_figures());
    assert!(eventually(START, || figures().is_some_and(|figures| figures.at >= since)), "{:?}", figures());
    Visitor::signed_in(server, ADMINISTRATOR).get("/overview").text()
}

#[test]
fn the_figures_are_what_happened() {
    let mut server = server();
    let database = &server.database;
    let begun = database.now();
    let end = |days: u64| Some(database.now().plus(days as u32 * DAY));
    let (business, free) = (database.license("business"), database.license("free"));
    let [soon, sooner] = [20, 3].map(|days| database.license_until("starter", end(days), None));
    database.license_until("starter", end(40), None);
    let expired = database.license_until("business", end(1), None);
    database.change(|transaction| {
        let mut license = transaction.license(expired.id)?.unwrap();
        license.expires_at = Some(begun.minus(DAY));
        Ok(transaction.update_license(&license)?)
    });
    let [suspended, cancelled] = [Change::Suspend, Change::Cancel].map(|change| {
        let license = database.license("datacenter");
        database.apply_change(license.id, change);
        license
    });
    let check = |license: &TestLicense, ip: &str, version: Option<&str>, identity: &str| {
        server
            .verify(&json!({"key": license.key, "server_ip": ip, "agent_version": version, "server_id": identity}))
            .status
    };
    let mut statuses = vec![
        check(&business, SERVERS[0], Some("0.2.0"), "one"),
        check(&business, SERVERS[1], Some("0.1.0"), "two"),
        // A clone of the second server, and the first once more.
        check(&business, SERVERS[2], Some("0.1.0"), "two"),
        check(&business, SERVERS[0], Some("0.2.0"), "one"),
        check(&free, SERVERS[3], Some("0.1.0"), "two"),
        check(&free, SERVERS[4], Some("0.1.0"), "five"),
        check(&soon, SERVERS[5], None, "six"),
    ];
    statuses.extend([&expired, &suspended, &cancelled].map(|license| check(license, SERVERS[0], None, "one")));
    statuses.push(server.verify(&json!({"key": "ABCD-EFGH"})).status);
    // Neither of these is a verdict.
    assert_eq!(server.verify_bytes("{").status, 400);
    let granted = statuses.iter().filter(|status| **status == 200).count();
    let refused = statuses.iter().filter(|status| **status == 403).count();
    assert_eq!((granted, refused), (6, 5), "{statuses:?}");

    let since = server.database.now();
    restart(&mut server);
    let page = counted_page(&server, since);
    for (id, expected) in [
        ("active-licenses", "5"),
        ("expiring-licenses", "2"),
        ("active-servers", "5"),
        ("granted-today", "6"),
        ("refused-today", "5"),
        ("suspected-clones", "1"),
        ("standing-active", "5"),
        ("standing-suspended", "1"),
        ("standing-cancelled", "1"),
        ("standing-expired", "1"),
    ] {
        // At midnight, another day begins.
        if !id.ends_with("-today") || Day::of(server.database.now()) == Day::of(begun) {
            assert_eq!(text_at(&page, id), expected, "{id}");
        }
    }
    for (plan, expected) in [
        ("free", ["1", "0", "0", "0", "1"]),
        ("starter", ["3", "0", "0", "0", "3"]),
        ("business", ["1", "0", "0", "1", "2"]),
        ("datacenter", ["0", "1", "1", "0", "2"]),
    ] {
        assert_eq!(cells(&page, &format!("id=\"plan-{plan}\"")), expected, "{plan}");
    }
    for (version, expected) in [("0.1.0", ["60 %", "3"]), ("0.2.0", ["20 %", "1"]), ("not reported", ["20 %", "1"])] {
        assert_eq!(cells(&page, &format!("<bdi>{version}</bdi>")), expected, "{version}");
    }
    assert!(page.contains(&format!("<a href=\"/licenses/{}#servers\">", business.id)), "the license with the clone");
    let order = |license: &TestLicense| page.find(&format!("id=\"expiring-{}\"", license.id));
    assert!(order(&sooner).is_some() && order(&sooner) < order(&soon), "what ends first comes first");
    every_number_leads_to_its_list(&server, &page);
    the_command_prints_the_same(&server, business.id);
}

fn the_command_prints_the_same(server: &LicenseServerProcess, cloned: i64) {
    let print = |words: &[&str]| {
        let output = server.run(words);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let text = print(&["stats"]);
    let clones = format!("1, on the licenses {cloned} (1)");
    for (label, expected) in
        [("Expiring in 30 days", "2"), ("Active servers", "5"), ("Suspected clones", clones.as_str())]
    {
        let line = text.lines().find_map(|line| line.strip_prefix(label));
        assert_eq!(line.map(str::trim), Some(expected), "{text}");
    }
    for row in ["business 1 0 0 1 2", "all 5 1 1 1 8", "0.1.0 3", "not reported 1"] {
        let is_row = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ") == row;
        assert!(text.lines().any(is_row), "{row}: {text}");
    }
    let json: Value = serde_json::from_str(&print(&["stats", "--json"])).unwrap();
    assert_eq!((&json["servers"], &json["clones"]), (&json!(5), &json!(1)), "{json}");
    let days = json["days"].as_array().unwrap();
    let sum = |name: &str| days.iter().map(|day| day[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("granted"), sum("refused")), (6, 5), "{json}");
}

/// Each link to a list has the number of the licenses in that list.
fn every_number_leads_to_its_list(server: &LicenseServerProcess, page: &str) {
    let mut carol = Visitor::signed_in(server, ADMINISTRATOR);
    let mut followed = 0;
    for link in page.split("<a href=\"/licenses?").skip(1) {
        let (query, rest) = link.split_once('"').unwrap();
        let text = rest.split_once('>').unwrap().1.split('<').next().unwrap();
        let Ok(number) = text.parse::<usize>() else { continue };
        let list = carol.get(&format!("/licenses?{}", query.replace("&#38;", "&"))).text();
        assert_eq!(list.matches("<tr id=\"license-").count(), number, "{query}");
        followed += 1;
    }
    assert!(followed > 20, "{followed}");
}

#[test]
fn days_change_restarts_lose_nothing_and_a_gap_is_no_zero() {
    let mut server = TimedLicenseServer::start();
    add_users(&server.database);
    let (license, suspended) = (server.database.license("datacenter"), server.database.license("free"));
    server.database.apply_change(suspended.id, Change::Suspend);
    let verify = |server: &TimedLicenseServer, license: &TestLicense, number: usize| {
        server.verify(&json!({"key": license.key, "server_ip": SERVERS[number]})).status
    };
    // 2027-01-15, with a restart in the middle.
    wait_for_count(&server);
    for number in [0, 1, 0] {
        assert_eq!(verify(&server, &license, number), 200);
    }
    assert_eq!(verify(&server, &suspended, 0), 403);
    server.restart_after(Duration::from_secs(60));
    wait_for_count(&server);
    assert_eq!(verify(&server, &license, 2), 200);
    server.count_figures();
    server.clock.set(BEGINNING.plus(Duration::from_secs(16 * 3600 - 1)));
    assert_eq!(verify(&server, &license, 0), 200, "in the last second of the day");
    // 2027-01-16.
    server.clock.pass(Duration::from_secs(1));
    assert_eq!(server.clock.wall().to_string(), "2027-01-16T00:00:00Z");
    assert_eq!([verify(&server, &suspended, 0), verify(&server, &suspended, 1)], [403, 403]);
    assert_eq!(verify(&server, &license, 3), 200);
    server.count_figures();
    // Off on 2027-01-17 and 2027-01-18. Then all servers but one are inactive after some days without verifications.
    server.restart_after(3 * DAY);
    wait_for_count(&server);
    server.clock.pass(3 * DAY);
    assert_eq!(verify(&server, &license, 0), 200);
    server.clock.pass(2 * DAY);
    server.count_figures();
    server.restart_after(Duration::ZERO);

    let mut carol = Visitor::signed_in(&server, ADMINISTRATOR);
    let page = carol.get("/overview").text();
    for (date, expected) in [
        ("2027-01-15", &["3", "5", "1"][..]),
        ("2027-01-16", &["4", "1", "2"]),
        ("2027-01-17", &["not running"]),
        ("2027-01-18", &["not running"]),
        ("2027-01-19", &["4", "0", "0"]),
        ("2027-01-24", &["1", "0", "0"]),
    ] {
        assert_eq!(day(&page, date), expected, "{date}");
    }
    assert_eq!(day(&page, "2027-01-22")[1..], ["1", "0"]);
    assert!(!page.contains("id=\"day-2027-01-14\""), "no day before the first with figures");
    assert_eq!(text_at(&page, "active-servers"), "1");
    let chart = |title: &str| {
        let (_, rest) = page.split_once(&format!("aria-label=\"{title}, ")).unwrap_or_else(|| panic!("{page}"));
        rest.split('"').next().unwrap().to_owned()
    };
    let granted = chart("Verifications granted");
    // It ran on five days: 15, 16, 19, 22 and 24.
    let range = "2026-10-27 to 2027-01-24: lowest 0, highest 5, latest 0. 85 days have no figure.";
    assert_eq!(granted, range);
    assert!(page.contains("<title>2027-01-15: 5</title>") && page.contains("class=\"gap\""), "{page}");
    assert_eq!(server.database.defects(), [""; 0]);
}

#[test]
fn a_late_count_does_not_replace_a_newer_one() {
    let server = TimedLicenseServer::start();
    let database = &server.database;
    wait_for_count(&server);
    let latest = || database.read(|transaction| transaction.latest_figures()).unwrap();
    let counted = latest();
    let put = |at: Timestamp, servers: u64| {
        let figures = Figures { at, servers, ..counted.clone() };
        database.change(|transaction| Ok(transaction.put_figures(&figures)?));
        let today = Day::of(server.clock.wall());
        let of_the_day = database.read(|transaction| transaction.days(today, today));
        (latest().servers, of_the_day[0].servers.unwrap())
    };
    let now = server.clock.wall();
    assert_eq!(put(now, 7), (7, 7));
    assert_eq!(put(now.minus(Duration::from_secs(1)), 1), (7, 7), "an older one");
    // The clock was a day ahead, and is right again.
    assert_eq!(put(now.plus(DAY), 2), (2, 7));
    assert_eq!(put(now, 3), (3, 3));
}

#[test]
fn a_killed_server_loses_a_minute_at_most_and_counts_nothing_twice() {
    let mut server = server();
    let license = server.database.license("datacenter");
    let today = |server: &LicenseServerProcess| {
        let page = Visitor::signed_in(server, ADMINISTRATOR).get("/overview").text();
        text_at(&page, "granted-today").parse::<usize>().unwrap()
    };
    // The thread that counts has a low priority, and the first stop must not come before it.
    counted_page(&server, server.database.now().minus(DAY));
    let mut sent = 0;
    for round in 1..=3 {
        for address in &SERVERS[..round] {
            assert_eq!(check_in(&server, &license, address).status, 200);
            sent += 1;
        }
        if round == 2 { server.restart() } else { restart(&mut server) }
    }
    // The two of the second round may or may not be stored. Midnight may have passed, too.
    let figures = server.database.read(|transaction| {
        let today = Day::of(server.database.now());
        transaction.days(today.minus(1), today)
    });
    let stored: u64 = figures.iter().map(|figures| figures.checks.granted).sum();
    assert!((sent - 2..=sent).contains(&(stored as usize)), "{stored} of {sent}");
    assert!(today(&server) <= sent);
}

#[test]
fn the_overview_is_for_administrators() {
    let server = server();
    server.database.license("free");
    let mut alice = Visitor::signed_in(&server, OWNER);
    assert_eq!(alice.get("/overview").status, 404);
    assert!(!alice.get("/licenses").text().contains("/overview"));
    assert_eq!(alice.get("/").header("Location"), Some("/licenses"));
    let mut stranger = Visitor::new(&server);
    assert_eq!(stranger.get("/overview").header("Location"), Some("/sign-in?next=%2Foverview"));
    assert_eq!(stranger.get("/").header("Location"), Some("/sign-in"));
    let mut carol = Visitor::signed_in(&server, ADMINISTRATOR);
    assert_eq!(carol.get("/").header("Location"), Some("/overview"));
    let page = carol.get("/overview");
    assert_eq!(page.status, 200);
    assert_page_is_strict(&page);
    assert!(!page.text().contains(" style=") && !page.text().contains("http"), "{}", page.text());
    // Who asked for the list is led to the list, not to the overview.
    stranger.get("/sign-in");
    let asked = [("name", ADMINISTRATOR), ("password", PASSWORD), ("next", "/licenses")];
    assert_eq!(stranger.post("/sign-in", &asked).header("Location"), Some("/licenses"));
}

#[test]
fn hostile_versions_and_plans_are_text_and_few() {
    let mut server = server();
    let plan = Plan { slug: "hostile".to_owned(), name: SHORT.to_owned(), max_accounts: 1, max_servers: 0 };
    server.database.change(|transaction| actions::set_plan(transaction, &operator(), &plan));
    let license = server.database.license_until("hostile", Some(server.database.now().plus(DAY)), None);
    for number in 0..15 {
        for twin in 0..=(15 - number) / 8 {
            let (version, ip) = (format!("{number}{HOSTILE}\u{202e}"), format!("203.0.{twin}.{number}"));
            let question = json!({"key": license.key, "server_ip": ip, "agent_version": version});
            assert_eq!(server.verify(&question).status, 200);
        }
    }
    let since = server.database.now();
    restart(&mut server);
    let page = counted_page(&server, since);
    assert_eq!(page.matches("<bdi>").count(), 11, "ten versions, and the others together: {page}");
    assert_eq!(cells(&page, "<bdi>other versions</bdi>")[1], "5");
    let browser = Browser::start();
    sign_in(&browser, &server, ADMINISTRATOR);
    open(&browser, &server, "/overview");
    let main = text_of(&browser, "main");
    assert!(main.contains("0\"'><script>window.ran=1</script>") && main.contains(SHORT), "{main}");
    assert!(!browser.source().contains('\u{202e}'), "no bidirectional override");
    assert_harmless(&browser, "/overview");
}
