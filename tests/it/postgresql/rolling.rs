//! Two instances behind nginx: any serves any request, and one after the other is restarted without a failed request.

use super::instances::{Instances, call, verification};
use crate::support::SetOnDrop;
use crate::support::http::{self, Request, Response};
use crate::support::license_database::operator;
use crate::support::nginx::Nginx;
use crate::support::postgresql::Cluster;
use crate::support::process::START;
use crate::support::{eventually, pause};
use opterius_base::secret::Secret;
use opterius_license_server::actions;
use rustix::process::Signal;
use serde_json::json;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const CLIENTS: u8 = 4;

/// nginx in front of both. What was sent to an instance that ends is sent to the other: repeating a verification is harmless,
/// and so is a call with an Idempotency-Key. A form is sent again only if it has not reached an instance.
fn in_front_of(instances: &Instances) -> Nginx {
    let [first, second] = instances.ports();
    Nginx::start_edited(first, |site| {
        let one = format!("server 127.0.0.1:{first} max_fails=0;");
        let both = format!("server 127.0.0.1:{first} max_fails=0;\n    server 127.0.0.1:{second} max_fails=0;");
        let site = site.replace(&one, &both);
        let site = site.replace("proxy_next_upstream off;", "proxy_next_upstream error timeout http_503;");
        let repeated = "location = /api/license/verify {\n        proxy_pass http://opterius_license_server;\n        \
                        proxy_next_upstream error timeout http_503 non_idempotent;\n    }\n    location /api/v1/ {\n        \
                        proxy_next_upstream error timeout http_503 non_idempotent;";
        assert!(site.contains(&both) && site.contains("location /api/v1/ {"));
        site.replace("location /api/v1/ {", repeated)
    })
}

#[test]
fn a_rolling_restart_fails_no_request() {
    let cluster = Cluster::start();
    let mut instances = Instances::on(&cluster);
    let nginx = in_front_of(&instances);
    let license = instances.database().license("datacenter");
    let token = instances.token.clone();
    let (is_over, answered, failed) = (AtomicBool::new(false), AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        let over = SetOnDrop(&is_over);
        for client in 0..CLIENTS {
            let (nginx, license, token, is_over, answered, failed) =
                (&nginx, &license, &token, &is_over, &answered, &failed);
            scope.spawn(move || {
                for number in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let reference = format!("order-{client}-{number}");
                    let sale = json!({"owner": {"name": "carol"}, "plan": "free", "reference": reference});
                    let sale = call(token, "POST", "/licenses", Some(&sale)).header("Idempotency-Key", &reference);
                    let requests = [(verification(license, "203.0.113.1"), 200), (sale, 201)];
                    for (request, expected) in requests {
                        let response = nginx.fetch(Ipv4Addr::new(127, 0, 1, client), request);
                        answered.fetch_add(1, Ordering::Relaxed);
                        if response.status != expected {
                            failed.lock().unwrap().push(format!("{}: {}", response.status, response.text()));
                        }
                        pause(Duration::from_millis(60));
                    }
                }
            });
        }
        let goes_on = || {
            let before = answered.load(Ordering::Relaxed);
            assert!(eventually(START, || answered.load(Ordering::Relaxed) > before + 20));
        };
        for _ in 0..2 {
            for instance in &mut instances.each {
                goes_on();
                instance.signal(Signal::TERM);
                instance.wait_exit(START);
                goes_on();
                instance.restart_in_place();
                let is_healthy =
                    || http::fetch(instance.port(), Request::get("/health")).is_ok_and(|it| it.status == 200);
                assert!(eventually(START, is_healthy));
            }
        }
        goes_on();
        drop(over);
    });
    let (answered, failed) = (answered.into_inner(), failed.into_inner().unwrap());
    println!("rolling restart: {answered} answered, {} failed", failed.len());
    assert_eq!(failed, [] as [String; 0]);
    let sold = cluster.psql("SELECT count(*), count(DISTINCT reference) FROM licenses WHERE reference IS NOT NULL");
    let (all, different) = sold.split_once('|').unwrap();
    assert_eq!(all, different, "a sale was made twice");
}

/// The value of a cookie, and of the form token of the page.
fn cookies(response: &Response) -> String {
    let set = response.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Set-Cookie"));
    set.map(|(_, value)| value.split(';').next().unwrap().to_owned()).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_user_signs_in_on_one_instance_and_acts_on_the_other() {
    const PASSWORD: &str = "correct horse battery staple";
    let cluster = Cluster::start();
    let instances = Instances::on(&cluster);
    let license = instances.database().license("business");
    let hash = opterius_license_server::passwords::hash(&Secret::new(PASSWORD.to_owned())).unwrap();
    instances.database().change(|transaction| actions::add_user(transaction, &operator(), "root", &hash, true));
    let [first, second] = instances.ports();
    let form = |path: &str, cookie: &str, body: String| {
        let request = Request::new("POST", path).header("Content-Type", "application/x-www-form-urlencoded");
        request.header("Accept", "text/html").header("Cookie", cookie).body(body)
    };
    let page = |port: u16, path: &str, cookie: &str| {
        http::fetch(port, Request::get(path).header("Accept", "text/html").header("Cookie", cookie)).unwrap()
    };
    let csrf = |page: &Response| {
        let text = page.text();
        let (_, rest) = text.split_once("name=\"csrf\" value=\"").unwrap_or_else(|| panic!("no form: {text}"));
        rest.split('"').next().unwrap().to_owned()
    };
    // The page of one, the form on the other.
    let sign_in = page(first, "/sign-in", "");
    let password = PASSWORD.replace(' ', "+");
    let body = format!("name=root&password={password}&csrf={}", csrf(&sign_in));
    let signed_in = http::fetch(second, form("/sign-in", &cookies(&sign_in), body)).unwrap();
    assert_eq!(signed_in.status, 303, "{}", signed_in.text());
    let session = cookies(&signed_in);
    let path = format!("/licenses/{}", license.id);
    let shown = page(first, &path, &session);
    assert_eq!(shown.status, 200, "{}", shown.text());
    let signed_out = http::fetch(first, form("/sign-out", &session, format!("csrf={}", csrf(&shown)))).unwrap();
    assert_eq!(signed_out.status, 303, "{}", signed_out.text());
    assert_eq!(page(second, &path, &session).status, 303, "signed out everywhere");
}
