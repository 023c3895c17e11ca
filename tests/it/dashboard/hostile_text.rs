//! Untrusted text is displayed as text, whatever it contains.

use super::visitor::encode;
use super::*;
use opterius_license_server::model::Plan;

/// Has an effect if it is interpreted: as an element, in or after an attribute, in a script or a style.
pub(super) const HOSTILE: &str = "\"'><script>window.ran=1</script><img src=x onerror=window.ran=2><style>*{display:none}</style>\
                       </title>' OR 1=1; DROP TABLE licenses;--{{7*7}}";

/// The same within 64 characters, the maximum of a plan's title.
pub(super) const SHORT: &str = "\"'><img src=x onerror=window.ran=3><script>window.ran=4</script>";

/// No element was created, no script ran, and the browser blocked nothing.
pub(super) fn assert_harmless(browser: &Browser, page: &str) {
    let script = "return [window.ran === undefined, document.querySelectorAll('script, img, style').length, \
                getComputedStyle(document.body).display]";
    assert_eq!(browser.execute(script, &[]), json!([true, 0, "block"]), "{page}: {}", browser.source());
    let expected = ["status of 422", "does not conform to the required format"];
    let mut complaints = browser.complaints();
    complaints.retain(|line| !expected.iter().any(|expected| line.contains(expected)));
    assert_eq!(complaints, [""; 0], "{page}");
}

#[test]
fn text_from_servers_and_users_is_escaped() {
    let server = server();
    let license = server.database.license("business");
    let plan = Plan { slug: "hostile".to_owned(), name: SHORT.to_owned(), max_accounts: 1, max_servers: 1 };
    server.database.change(|transaction| actions::set_plan(transaction, &operator(), &plan));
    let hostile = format!("{HOSTILE}\u{202e}\u{7}");
    let answer = server.verify(&json!({
        "key": license.key, "server_ip": SERVERS[0], "hostname": hostile, "os": hostile, "agent_version": hostile,
        "panel_version": hostile, "server_id": hostile,
    }));
    let activations = server.database.activations(license.id);
    assert_eq!((answer.status, activations.len()), (200, 1), "{}", answer.text());

    let browser = Browser::start();
    sign_in(&browser, &server, ADMINISTRATOR);
    open(&browser, &server, "/licenses/1");
    let row = text_of(&browser, &by_id(&format!("server-{}", SERVERS[0])));
    let begins = "\"'><script>window.ran=1</script><img";
    assert_eq!(row.matches(begins).count(), 4, "hostname, agent, panel and system: {row}");
    assert!(!browser.source().contains('\u{202e}'), "no bidirectional override");
    for path in ["/licenses/1", "/licenses/1/revoke?ip=203.0.113.1", "/licenses/1/move?ip=203.0.113.1", "/history"] {
        open(&browser, &server, path);
        assert!(text_of(&browser, "main").contains(begins) || path == "/history", "{path}: {}", browser.source());
        assert_harmless(&browser, path);
    }
    for path in ["/plans", "/licenses/new", "/licenses/1/plan"] {
        open(&browser, &server, path);
        assert!(text_of(&browser, "main").contains(SHORT), "{path}: {}", browser.source());
        assert_harmless(&browser, path);
    }
    search(&browser, &server);
    forms(&browser, &server);
    assert_eq!(server.database.defects(), [""; 0]);
    assert_eq!(server.database.history_lines(license.id).len(), 2, "only created and activated");
}

fn search(browser: &Browser, server: &LicenseServerProcess) {
    for text in [HOSTILE, "' OR '1'='1", "%", "_", "\\", "1; DROP TABLE licenses"] {
        open(browser, server, "/licenses");
        type_into(browser, "#q", text);
        click(browser, "#search-button");
        let kept: String = text.chars().take(128).collect();
        assert_eq!(text_of(browser, "#empty"), format!("No license matches “{kept}”."));
        assert_eq!(browser.find("#q").attribute("value").as_deref(), Some(kept.as_str()));
        assert_harmless(browser, text);
    }
}

/// All text fields of all forms in the browser; hidden fields in raw requests.
fn forms(browser: &Browser, server: &LicenseServerProcess) {
    for (path, field) in [
        ("/licenses/new", "#owner"),
        ("/licenses/new", "#ip"),
        ("/licenses/new", "#until"),
        ("/licenses/1/move?ip=203.0.113.1", "#to"),
        ("/licenses/1/lock", "#ip"),
        ("/licenses/1/renew", "#until"),
    ] {
        open(browser, server, path);
        // Turn date fields, which accept no text, into text fields, as in a browser without date fields.
        let plain = "for (const field of document.querySelectorAll('input:not([type=hidden])')) field.type = 'text';";
        browser.execute(plain, &[]);
        if path == "/licenses/new" {
            type_into(browser, "#owner", OWNER);
        }
        type_into(browser, field, HOSTILE);
        click(browser, "#confirm");
        assert!(browser.find("#error").is_displayed(), "{path} {field}");
        assert_eq!(browser.status(), 422, "{path} {field}");
        assert_harmless(browser, &format!("{path} {field}"));
    }
    let mut carol = Visitor::signed_in(server, ADMINISTRATOR);
    let table = [
        ("/licenses/1/plan", &[("revision", "1"), ("plan", HOSTILE)][..], 422),
        ("/licenses/1/renew", &[("revision", HOSTILE), ("until", "2099-12-31")], 400),
        ("/licenses/1/revoke", &[("ip", HOSTILE)], 400),
        ("/licenses/1/move", &[("ip", HOSTILE), ("to", SERVERS[1])], 400),
        ("/licenses/new", &[("owner", OWNER), ("plan", HOSTILE), ("once", HOSTILE)], 422),
        ("/password", &[("old", HOSTILE), ("new", HOSTILE), ("again", HOSTILE)], 422),
    ];
    for (path, fields, status) in table {
        let response = carol.post(path, fields);
        assert_eq!(response.status, status, "{path}: {}", response.text());
        assert_page_is_strict(&response);
    }
    let paths = ["/licenses?q=", "/licenses?before=", "/licenses/1?after=", "/licenses/1?before=", "/history?before="];
    for path in paths.into_iter().chain(["/sign-in?next=", "/licenses/1/revoke?ip="]) {
        let response = carol.get(&format!("{path}{}", encode(HOSTILE)));
        assert!(response.status < 500, "{path}: {}", response.status);
        assert_page_is_strict(&response);
    }
    let response = Visitor::new(server).sign_in(HOSTILE, HOSTILE);
    assert_eq!(response.status, 422);
    assert_page_is_strict(&response);
    assert!(!server.lines().iter().any(|line| line.contains('\u{7}')));
}

/// The page contains no injected element, and its policy would block one.
pub(super) fn assert_page_is_strict(response: &Response) {
    assert!(!response.text().contains("<script") && !response.text().contains("<img"), "{}", response.text());
    let policy = response.header("Content-Security-Policy").unwrap_or_else(|| panic!("{}", response.head_text()));
    assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{policy}");
    assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(response.header("X-Content-Type-Options"), Some("nosniff"));
}
