//! The list of licenses: search, filters, CSV, and changes of several licenses at once.

use super::*;
use opterius_license_server::actions::Change;

/// The numbers of the licenses on a page, in order.
fn listed(page: &Response) -> Vec<i64> {
    let numbers = page.text();
    let rows = numbers.split("<tr id=\"license-").skip(1).map(|row| row.split('"').next().unwrap().parse().unwrap());
    rows.collect()
}

/// The number beside the filter with this id.
fn count(page: &Response, id: &str) -> String {
    let text = page.text();
    let (_, rest) = text.split_once(&format!("id=\"filter-{id}\"")).unwrap_or_else(|| panic!("no {id}: {text}"));
    rest.split_once("<span class=\"count\">").unwrap().1.split('<').next().unwrap().to_owned()
}

/// Six licenses of two owners with different plans, standings and servers.
fn populate(server: &LicenseServerProcess) -> Vec<TestLicense> {
    let database = &server.database;
    let day = |days: u64| Some(database.now().plus(std::time::Duration::from_secs(days * 86_400)));
    let licenses = vec![
        database.license_until("business", day(20), None),
        database.license("free"),
        database.license("free"),
        database.license("starter"),
        database.license_until("business", day(400), None),
        database.license("datacenter"),
    ];
    database.apply_change(2, Change::Suspend);
    database.apply_change(4, Change::Cancel);
    for (license, address) in [(1, SERVERS[0]), (1, SERVERS[1]), (5, SERVERS[2]), (6, "2001:db8::7")] {
        assert_eq!(check_in(server, &licenses[license - 1], address).status, 200);
    }
    database.apply_change(1, Change::SetPlan("free".to_owned()));
    licenses
}

#[test]
fn a_list_is_searched_filtered_and_sorted_by_its_url() {
    let server = server();
    let licenses = populate(&server);
    let mut visitor = Visitor::signed_in(&server, ADMINISTRATOR);
    let page = visitor.get("/licenses");
    for (id, expected) in [
        ("all", "6"),
        ("active", "4"),
        ("suspended", "1"),
        ("cancelled", "1"),
        ("expired", "0"),
        ("expiring", "1"),
        ("over", "1"),
        ("unused", "3"),
        ("trial", "0"),
        ("plan-free", "3"),
        ("plan-datacenter", "1"),
    ] {
        assert_eq!(count(&page, id), expected, "{id}");
    }
    let key = licenses[4].key.to_lowercase().replace('-', "");
    let queries = [
        (String::new(), vec![6, 5, 4, 3, 2, 1]),
        ("standing=suspended".to_owned(), vec![2]),
        ("standing=active&plan=free".to_owned(), vec![3, 1]),
        ("expiring=30".to_owned(), vec![1]),
        ("over=1".to_owned(), vec![1]),
        ("unused=1".to_owned(), vec![4, 3, 2]),
        ("unused=1&sort=oldest".to_owned(), vec![2, 3, 4]),
        ("sort=expiry&standing=active".to_owned(), vec![1, 5, 3, 6]),
        ("sort=owner&plan=free".to_owned(), vec![1, 2, 3]),
        (format!("owner={OWNER}&standing=cancelled"), vec![4]),
        ("owner=mallory".to_owned(), vec![]),
        ("q=3".to_owned(), vec![3]),
        (format!("q={key}"), vec![5]),
        (format!("q={}", &key[..10]), vec![5]),
        (format!("q={}", SERVERS[1]), vec![1]),
        ("q=2001%3ADB8%3A0%3A0%3A%3A7".to_owned(), vec![6]),
        (format!("q={}&standing=active", OWNER.to_uppercase()), vec![6, 5, 3, 1]),
        ("q=nothing".to_owned(), vec![]),
    ];
    for (query, expected) in queries {
        let page = visitor.get(&format!("/licenses?{query}"));
        assert_eq!((page.status, listed(&page)), (200, expected), "{query}");
    }
}

#[test]
fn a_list_of_more_than_a_page_is_continued_where_it_ended() {
    let server = server();
    for _ in 0..120 {
        server.database.license("free");
    }
    let mut visitor = Visitor::signed_in(&server, OWNER);
    for sort in ["newest", "expiry", "last-check"] {
        let mut found = Vec::new();
        let mut path = format!("/licenses?sort={sort}");
        loop {
            let page = visitor.get(&path);
            found.extend(listed(&page));
            let text = page.text();
            let Some((before, _)) = text.split_once("\" id=\"older\"") else { break };
            path = before.rsplit_once("href=\"").unwrap().1.replace("&#38;", "&").replace("&amp;", "&");
        }
        found.sort_unstable();
        assert_eq!(found, (1..=120).collect::<Vec<i64>>(), "{sort}");
    }
}

#[test]
fn a_csv_file_has_all_rows_of_the_list_and_no_formulas() {
    let server = server();
    let licenses = populate(&server);
    server.database.change(|transaction| {
        actions::add_user(transaction, &operator(), "+SUM", "no password", false)?;
        actions::create(transaction, &operator(), "+SUM", "free", None, None, &actions::new_key()?)
    });
    let mut visitor = Visitor::signed_in(&server, ADMINISTRATOR);
    let file = visitor.get("/licenses/csv?plan=free");
    assert_eq!(file.header("Content-Type"), Some("text/csv; charset=utf-8"));
    assert_eq!(file.header("Content-Disposition"), Some("attachment; filename=\"licenses.csv\""));
    let text = file.text();
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(lines.len(), 6, "a header, four licenses, and the last line end: {text}");
    assert!(lines[0].starts_with("license,reference,key,owner,plan,status,"), "{text}");
    assert!(lines[1].starts_with("7,,") && lines[1].contains(",\"'+SUM\",free,active,no,0,1,"), "{text}");
    assert!(!text.contains(&licenses[2].key), "keys are masked");

    let mut owner = Visitor::signed_in(&server, OTHER_OWNER);
    let text = owner.get("/licenses/csv").text();
    assert_eq!(text.lines().count(), 1, "another owner's licenses are not in it: {text}");
}

#[test]
fn several_licenses_change_at_once_or_none_does() {
    let server = server();
    populate(&server);
    let mut visitor = Visitor::signed_in(&server, ADMINISTRATOR);
    let preview = visitor.get("/licenses/bulk?action=suspend&l1=1&l2=1&l3=1&l4=1");
    let text = preview.text();
    assert!(text.contains("2 licenses will change, 2 will not."), "{text}");
    assert!(
        text.contains("active → suspended.") && text.contains("No change: License 2 is already suspended."),
        "{text}"
    );
    let hidden = |page: &Response, name: &str| {
        let text = page.text();
        let value = text.split_once(&format!("name=\"{name}\" value=\"")).unwrap().1;
        value.split('"').next().unwrap().to_owned()
    };
    let licenses = hidden(&preview, "licenses");
    server.database.apply_change(3, Change::SetPlan("starter".to_owned()));
    let fields = [("action", "suspend"), ("ids", "1-2-3-4"), ("licenses", licenses.as_str())];
    let refused = visitor.post("/licenses/bulk", &fields);
    let text = refused.text();
    assert_eq!(refused.status, 422);
    assert!(text.contains("License 3 has changed since the preview. No license was changed"), "{text}");
    assert_eq!(server.database.history_lines(1).len(), 4, "created, activated twice, plan changed");

    let licenses = hidden(&refused, "licenses");
    let fields = [("action", "suspend"), ("ids", "1-2-3-4"), ("licenses", licenses.as_str())];
    let done = visitor.post("/licenses/bulk", &fields);
    assert_eq!((done.status, done.header("Location")), (303, Some("/licenses")));
    assert!(visitor.get("/licenses").text().contains("2 licenses suspended."));
    for license in [1, 3] {
        assert_eq!(server.database.history_lines(license).last().unwrap(), "carol suspended", "{license}");
    }
    let again = visitor.post("/licenses/bulk", &fields);
    assert_eq!(again.status, 422, "the same form again changes nothing");

    let mut owner = Visitor::signed_in(&server, OWNER);
    assert_eq!(owner.get("/licenses/bulk?action=suspend&l1=1").status, 404);
    assert_eq!(owner.post("/licenses/bulk", &fields).status, 404);
}

#[test]
fn a_change_of_all_licenses_of_a_list_says_what_it_does_to_each() {
    let server = server();
    populate(&server);
    let mut visitor = Visitor::signed_in(&server, ADMINISTRATOR);
    let first = visitor.get("/licenses/bulk?action=plan&all=1&plan=business").text();
    assert!(first.contains("Nothing will change for 1 license."), "no plan is chosen yet: {first}");
    let preview = visitor.get("/licenses/bulk?action=plan&all=1&preview=1&to_plan=free").text();
    assert!(preview.contains("3 licenses will change, 3 will not."), "{preview}");
    assert!(preview.contains("Plan Business → Free."), "{preview}");
    let unknown = visitor.get("/licenses/bulk?action=plan&all=1&preview=1&to_plan=gold").text();
    assert!(unknown.contains("There is no plan “gold”."), "{unknown}");
    let renew =
        visitor.get("/licenses/bulk?action=renew&all=1&standing=suspended&preview=1&add=until&until=2099-12-31").text();
    assert!(renew.contains("Stays suspended. Expires: never → end of <span class=\"ip\">2099-12-31</span>"), "{renew}");
    let month = visitor.get("/licenses/bulk?action=renew&all=1&expiring=30").text();
    assert!(month.contains("1 license will change.") && month.contains("Stays active."), "{month}");
    let never = visitor.get("/licenses/bulk?action=renew&l2=1&preview=1&add=P1Y").text();
    assert!(never.contains("No change: License 2 never expires"), "{never}");
    let past = visitor.get("/licenses/bulk?action=renew&all=1&preview=1&add=until&until=2020-01-01").text();
    assert!(past.contains("The end of <span class=\"ip\">2020-01-01</span> is in the past."), "{past}");
    assert_eq!(visitor.get("/licenses/bulk?action=delete&all=1").status, 400);
}
