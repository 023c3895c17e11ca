//! Forged forms change nothing.

use super::*;
use crate::support::http::PROMPTLY;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Another site with one page.
struct Site {
    port: u16,
    stopped: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Site {
    fn with(page: String) -> Site {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stopped = Arc::new(AtomicBool::new(false));
        let is_stopped = Arc::clone(&stopped);
        let server = std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                if is_stopped.load(Ordering::Relaxed) {
                    return;
                }
                // A browser can open a connection without sending a request.
                let _ = stream.set_read_timeout(Some(PROMPTLY / 8));
                let _ = stream.read(&mut [0; 8192]);
                let length = page.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\
                                        Connection: close\r\n\r\n{page}"
                );
            }
        });
        Site { port, stopped, server: Some(server) }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        self.server.take().unwrap().join().unwrap();
    }
}

#[test]
fn a_form_that_another_site_sends_changes_nothing() {
    let server = server();
    let license = server.database.license("free");
    check_in(&server, &license, SERVERS[0]);
    let before = server.database.history_lines(license.id);
    let browser = Browser::start();
    sign_in(&browser, &server, OWNER);
    open(&browser, &server, &format!("/licenses/1/revoke?ip={}", SERVERS[0]));
    // Even if the site knows the CSRF token.
    let token = browser.find("[name=csrf]").attribute("value").unwrap();
    let site = Site::with(format!(
        "<title>Elsewhere</title><form method=post action='{}/licenses/1/revoke'><input name=ip value={}><input \
         name=csrf value={token}></form><script>if (location.hash) document.forms[0].submit()</script>",
        server.url(),
        SERVERS[0]
    ));
    // By address it is another origin on the same site, so cookies are sent; by name it is another site, without cookies.
    for host in ["127.0.0.1", "localhost"] {
        browser.open(&format!("http://{host}:{}/#go", site.port));
        assert_path(&browser, "/licenses/1/revoke");
        assert_eq!(text_of(&browser, "#message"), "The request came from a page of another site. Nothing was changed.");
        assert_eq!(browser.status(), 403, "{host}");
        assert_eq!(server.database.history_lines(license.id), before, "{host}");
    }
    // The session is intact, and the form works from the dashboard.
    open(&browser, &server, &format!("/licenses/1/revoke?ip={}", SERVERS[0]));
    click(&browser, "#confirm");
    assert_flash(&browser, "203.0.113.1 revoked. Its slot on license 1 is free.");
}

#[test]
fn a_form_with_a_wrong_token_or_from_another_origin_is_refused() {
    let server = server();
    let license = server.database.license("free");
    let before = server.database.history_lines(license.id);
    let mut carol = Visitor::signed_in(&server, ADMINISTRATOR);
    let own = carol.csrf.clone();
    let others = [Visitor::signed_in(&server, ADMINISTRATOR).csrf, Visitor::signed_in(&server, OWNER).csrf];
    let mut visitor = Visitor::new(&server);
    visitor.get("/sign-in");
    let refused = |carol: &mut Visitor<'_>, token: &str, why: &str| {
        for (path, fields) in [
            ("/licenses/1/suspend", &[("revision", "1")][..]),
            ("/licenses/1/delete", &[("revision", "1")]),
            ("/licenses/1/key", &[]),
            ("/licenses/new", &[("owner", OWNER), ("plan", "free"), ("once", "1")]),
            ("/password", &[("old", PASSWORD), ("new", "another long password"), ("again", "another long password")]),
            ("/sign-out", &[]),
        ] {
            token.clone_into(&mut carol.csrf);
            let response = carol.post(path, fields);
            assert_eq!(response.status, 403, "{why} {path}: {}", response.text());
            assert_eq!(visitor::set_cookies(&response), [""; 0], "{why} {path}");
        }
    };
    for wrong in [String::new(), "0".repeat(64), own.to_uppercase(), visitor.csrf, others[0].clone(), others[1].clone()]
    {
        refused(&mut carol, &wrong, &format!("the token “{wrong}”"));
    }
    for (name, value) in [
        ("Origin", "https://evil.example.com"),
        ("Origin", "null"),
        ("Origin", "http://127.0.0.1:1"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        carol.headers = vec![(name, value.to_owned())];
        refused(&mut carol, &own, &format!("{name}: {value}"));
    }
    carol.csrf = own;
    assert_eq!(server.database.history_lines(license.id), before, "nothing was changed");
    assert_eq!(server.database.read(|transaction| transaction.license(license.id + 1)).map(|license| license.id), None);
    carol.headers = vec![("Origin", "http://127.0.0.1".to_owned()), ("Sec-Fetch-Site", "same-origin".to_owned())];
    assert_eq!(
        carol.post("/licenses/1/suspend", &[("revision", "1")]).status,
        303,
        "the session and its token are valid"
    );
}

#[test]
fn a_forged_sign_in_form_is_refused() {
    let server = server();
    let mut visitor = Visitor::new(&server);
    let fields = [("name", OWNER), ("password", PASSWORD)];
    // Without the visitor cookie, the sign-in page was never open.
    let response = visitor.post("/sign-in", &fields);
    assert_eq!(response.status, 403, "{}", response.text());
    assert!(!visitor.cookies.contains_key("opterius_session"), "{:?}", visitor.cookies);
    let mut other = Visitor::new(&server);
    other.get("/sign-in");
    visitor.get("/sign-in");
    visitor.csrf = other.csrf;
    assert_eq!(visitor.post("/sign-in", &fields).status, 403);
    assert_eq!(visitor.sign_in(OWNER, PASSWORD).status, 303);
}
