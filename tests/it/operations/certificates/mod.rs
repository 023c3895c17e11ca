//! Certificates from a real certificate authority: certbot validates each name through the running nginx.

mod interruptions;
mod uploads;

pub(crate) use uploads::{Bought, upload};

use super::{publish, shows};
use crate::support::machine::{attempt, on_a_machine, run, run_as};
use crate::support::panel::{Panel, site};
use crate::support::pebble::Pebble;
use crate::support::{SOON, eventually};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// Time limit for several runs of certbot.
const ISSUED: Duration = Duration::from_secs(60);

/// Starts nginx, PHP and a certificate authority, and creates the site `alice.example`.
fn certified() -> (Pebble, Panel) {
    run("systemctl start nginx php8.2-fpm");
    let pebble = Pebble::start();
    let panel = Panel::with_certificates(&pebble);
    panel.created("alice", "alice.example");
    (pebble, panel)
}

pub(super) fn request(domain: &str) -> Value {
    json!({"domain": domain, "email": "alice@alice.example", "username": "alice"})
}

fn status(panel: &Panel, domain: &str) -> Value {
    panel.post("/ssl/status", &json!({"domain": domain})).ok()
}

/// Waits until the certificate is issued or has failed.
pub(super) fn ended(panel: &Panel, domain: &str) -> Value {
    let state = || status(panel, domain)["state"].as_str().unwrap().to_owned();
    assert!(eventually(ISSUED, || !["queued", "running"].contains(&state().as_str())), "{}", status(panel, domain));
    status(panel, domain)
}

/// The serial number and names of the certificate that a visitor gets; empty without TLS.
fn served(domain: &str) -> String {
    let connect = format!("openssl s_client -connect 127.0.0.1:443 -servername {domain} </dev/null 2>/dev/null");
    attempt(&format!("{connect} | openssl x509 -noout -serial -ext subjectAltName 2>/dev/null")).1
}

/// Waits for a certificate: nginx's new workers start shortly after the reload.
pub(super) fn comes_to_serve(domain: &str, wanted: impl Fn(&str) -> bool) -> String {
    let found = eventually(SOON, || wanted(&served(domain)));
    assert!(found, "{domain} is served with {:?}", served(domain));
    served(domain)
}

#[test]
fn a_certificate_is_issued_served_renewed_and_deleted() {
    on_a_machine(a_certificate_is_issued_served_renewed_and_deleted, || {
        let (pebble, panel) = certified();
        run("echo 127.0.0.1 alice.example www.alice.example >>/etc/hosts");
        publish("alice", "alice.example", "index.html", "A page of Alice's");
        let none = status(&panel, "alice.example");
        assert_eq!((&none["exists"], &none["state"]), (&json!(false), &json!("none")));
        panel.post("/ssl/renew", &json!({"domain": "alice.example"})).refuses(404, "not_found");

        let queued = panel.post("/ssl/issue-async", &request("alice.example"));
        assert_eq!((queued.status, &queued.body), (202, &json!({"status": "queued"})));
        assert!(["queued", "running"].contains(&status(&panel, "alice.example")["state"].as_str().unwrap()));
        let issued = ended(&panel, "alice.example");
        assert_eq!(
            (&issued["exists"], &issued["state"], &issued["source"], &issued["reason"]),
            (&json!(true), &json!("issued"), &json!("acme"), &Value::Null)
        );
        assert_eq!(issued["names"], json!(["alice.example", "www.alice.example"]));
        assert!(issued["issuer"].as_str().unwrap().starts_with("CN=Pebble Intermediate"), "{issued}");
        assert!(issued["not_after"].as_str().unwrap().ends_with('Z'), "{issued}");
        let first = comes_to_serve("alice.example", |seen| seen.contains("DNS:www.alice.example"));
        shows("alice.example", "/", 301, "");

        // Issuing keeps a certificate that does not expire soon; renewing replaces it.
        panel.post("/ssl/issue", &request("alice.example")).ok();
        assert_eq!(served("alice.example"), first);
        panel.post("/ssl/renew", &json!({"domain": "alice.example"})).ok();
        let second = comes_to_serve("alice.example", |seen| !seen.is_empty() && seen != first);
        assert!(second.contains("DNS:www.alice.example"), "{second}");

        // As certbot's timer does.
        let trusting = format!("REQUESTS_CA_BUNDLE={}", pebble.authority().display());
        run(&format!("{trusting} certbot -q renew --force-renewal --no-random-sleep-on-renew"));
        comes_to_serve("alice.example", |seen| !seen.is_empty() && seen != second);

        panel.post("/ssl/delete", &json!({"domain": "alice.example", "username": "alice"})).ok();
        shows("alice.example", "/", 200, "A page of Alice's");
        comes_to_serve("alice.example", str::is_empty);
        assert_eq!(status(&panel, "alice.example"), none);
        assert_eq!(run("find /etc/letsencrypt -name '*alice.example*'"), "");
        panel.post("/ssl/delete", &json!({"domain": "alice.example", "username": "alice"})).ok();
        assert_eq!(run("find /var/lib/opterius/acme -type f"), "");
    });
}

#[test]
fn a_name_that_cannot_be_validated_does_not_prevent_the_others() {
    on_a_machine(a_name_that_cannot_be_validated_does_not_prevent_the_others, || {
        let (pebble, panel) = certified();
        panel.created("bob", "bob.example");
        // www exists here, but not for the certificate authority.
        run("echo 127.0.0.1 alice.example www.alice.example bob.example >>/etc/hosts");
        pebble.lose("www.alice.example");
        let issued = panel.post("/ssl/issue", &request("alice.example")).ok();
        assert_eq!((&issued["state"], &issued["names"]), (&json!("issued"), &json!(["alice.example"])));
        let warnings = issued["warnings"].to_string();
        assert!(warnings.contains("www.alice.example is not in the certificate"), "{warnings}");
        assert!(warnings.contains("SERVFAIL") || warnings.contains("could not resolve"), "{warnings}");
        assert_eq!(status(&panel, "alice.example")["warnings"], issued["warnings"]);
        let first = comes_to_serve("alice.example", |seen| seen.contains("DNS:alice.example"));
        // Only covered names are redirected.
        publish("alice", "alice.example", "index.html", "A page of Alice's");
        shows("alice.example", "/", 301, "");
        shows("www.alice.example", "/", 200, "A page of Alice's");
        panel.suspend("alice").ok();
        shows("www.alice.example", "/", 503, "");
        panel.unsuspend("alice").ok();

        // A name without an address is not even requested.
        let issued = panel.post("/ssl/issue", &json!({"domain": "bob.example", "email": "bob@bob.example"})).ok();
        assert!(issued["warnings"].to_string().contains("www.bob.example is not in the certificate"), "{issued}");
        assert!(issued["warnings"].to_string().contains("has no address"), "{issued}");

        // www comes back and is lost again: certbot's timer renews the rest.
        pebble.find("www.alice.example");
        let issued = panel.post("/ssl/issue", &request("alice.example")).ok();
        assert_eq!(issued["names"], json!(["alice.example", "www.alice.example"]));
        assert_eq!(issued["warnings"], json!([]));
        shows("www.alice.example", "/", 301, "");
        let second = comes_to_serve("alice.example", |seen| seen.contains("www.alice.example") && seen != first);
        pebble.lose("www.alice.example");
        let trusting = format!("REQUESTS_CA_BUNDLE={}", pebble.authority().display());
        run(&format!("{trusting} certbot -q renew --force-renewal --no-random-sleep-on-renew"));
        let third = comes_to_serve("alice.example", |seen| !seen.is_empty() && seen != second);
        assert!(!third.contains("www.alice.example"), "{third}");
        shows("www.alice.example", "/", 200, "A page of Alice's");
        assert!(status(&panel, "alice.example")["warnings"].to_string().contains("www.alice.example is not"));
        // Without the site's own domain, there is no success.
        pebble.lose("alice.example");
        panel.post("/ssl/renew", &json!({"domain": "alice.example"})).refuses(500, "operation_failed");
        assert_eq!(status(&panel, "bob.example")["state"], "issued");
    });
}

#[test]
fn what_prevents_certificates_is_said_at_once() {
    on_a_machine(what_prevents_certificates_is_said_at_once, || {
        let (pebble, panel) = certified();
        let checks = || {
            let output = panel.helper().command(&["doctor", "--json"]).output().unwrap();
            let findings: Value = serde_json::from_slice(&output.stdout).unwrap();
            findings.to_string()
        };
        let finding = |name: &str| {
            let report: Value = serde_json::from_str(&checks()).unwrap();
            let lines = report.as_array().or_else(|| report["checks"].as_array()).unwrap_or_else(|| panic!("{report}"));
            lines.iter().find(|line| line["check"] == name).cloned().unwrap_or_default()
        };
        // certbot is not installed, cannot be executed, lacks its interpreter.
        for (obstacle, end) in [
            ("mv /usr/bin/certbot /usr/bin/certbot.aside", "mv /usr/bin/certbot.aside /usr/bin/certbot"),
            ("chmod 644 /usr/bin/certbot", "chmod 755 /usr/bin/certbot"),
            (
                "cp -p /usr/bin/certbot /run/certbot; sed -i '1s#.*#\\#!/no/such/python3#' /usr/bin/certbot",
                "cp -p /run/certbot /usr/bin/certbot",
            ),
        ] {
            run(obstacle);
            for path in ["/ssl/issue-async", "/ssl/issue"] {
                panel.post(path, &request("alice.example")).refuses(503, "operations_unavailable");
            }
            assert_ne!(status(&panel, "alice.example")["state"], "queued");
            run(end);
        }
        assert_eq!(finding("certbot timer"), Value::Null, "there is no certificate yet");
        panel.post("/ssl/issue", &request("alice.example")).ok();
        run("systemctl disable --now certbot.timer 2>/dev/null; true");
        assert_eq!(finding("certbot timer")["verdict"], "FAIL", "{}", checks());
        assert_eq!(finding("certificates")["verdict"], "PASS", "{}", checks());
        // One that ends within 14 days.
        let soon = Bought::ending_in("alice.example", 10);
        panel.post("/ssl/upload", &upload(&soon.chain(), &soon.key)).ok();
        let found = status(&panel, "alice.example");
        assert_eq!(found["expires_soon"], true, "{found}");
        assert!(found["warnings"].to_string().contains("Upload its successor"), "{found}");
        assert_eq!(finding("certificates")["verdict"], "WARN", "{}", checks());
        assert!(finding("certificates")["seen"].as_str().unwrap().contains("alice.example"), "{}", checks());
        drop(pebble);
    });
}

#[test]
fn many_certificates_are_issued_in_turn_and_only_for_existing_sites() {
    on_a_machine(many_certificates_are_issued_in_turn_and_only_for_existing_sites, || {
        let (_pebble, panel) = certified();
        let domains = ["alice.example", "b.alice.example", "c.alice.example"];
        for domain in &domains[1..] {
            let mut further = site("alice", domain);
            further["parent_domain"] = json!("alice.example");
            panel.post("/domains/create", &further).ok();
        }
        for domain in domains.iter().chain(&domains) {
            assert_eq!(panel.post("/ssl/issue-async", &request(domain)).status, 202);
        }
        for domain in domains {
            assert_eq!(ended(&panel, domain)["state"], "issued", "{domain}");
            comes_to_serve(domain, |seen| seen.contains(&format!("DNS:{domain}")));
        }
        let nowhere = panel.post("/ssl/issue", &json!({"domain": "nowhere.example", "email": "a@b.example"}));
        nowhere.refuses(404, "not_found");
        let mut others = request("alice.example");
        others["username"] = json!("bob");
        panel.post("/ssl/issue", &others).refuses(409, "conflict");

        // Challenges are answered for a suspended account too.
        panel.suspend("alice").ok();
        panel.post("/ssl/renew", &json!({"domain": "alice.example"})).ok();
        panel.delete("alice").ok();
        assert_eq!(run("find /etc/letsencrypt /var/lib/opterius -name '*alice.example*'"), "");
        assert_eq!(status(&panel, "alice.example")["exists"], false);
    });
}

#[test]
fn a_failure_is_explained_and_does_not_block_the_next_attempt() {
    on_a_machine(a_failure_is_explained_and_does_not_block_the_next_attempt, || {
        let (pebble, panel) = certified();
        panel.created("bob", "bob.example");
        pebble.lose("bob.example");
        let failed = panel.post("/ssl/issue", &json!({"domain": "bob.example", "email": "bob@bob.example"}));
        failed.refuses(500, "operation_failed");
        let found = status(&panel, "bob.example");
        assert_eq!((&found["exists"], &found["state"]), (&json!(false), &json!("failed")));
        let reason = found["reason"].as_str().unwrap();
        assert!(reason.starts_with("bob.example: ") && reason.contains("could not resolve"), "{reason}");
        assert!(reason.contains("DNS records to this server"), "{reason}");

        // The files that a killed certbot leaves behind.
        for directory in ["live", "archive"] {
            fs::create_dir_all(format!("/etc/letsencrypt/{directory}/alice.example")).unwrap();
            fs::write(format!("/etc/letsencrypt/{directory}/alice.example/privkey1.pem"), "").unwrap();
        }
        fs::create_dir_all("/etc/letsencrypt/renewal").unwrap();
        fs::write("/etc/letsencrypt/renewal/alice.example.conf", "").unwrap();
        assert_eq!(panel.post("/ssl/issue", &request("alice.example")).ok()["state"], "issued");
        assert!(comes_to_serve("alice.example", |seen| !seen.is_empty()).contains("DNS:alice.example"));
        assert_eq!(run("ls /etc/letsencrypt/renewal"), "alice.example.conf\n");
    });
}

#[test]
fn a_hung_certbot_is_killed_with_its_children() {
    on_a_machine(a_hung_certbot_is_killed_with_its_children, || {
        let (_pebble, panel) = certified();
        run("mv /usr/bin/certbot /usr/bin/certbot.real");
        let script = "#!/bin/sh\nsetsid sh -c 'trap \"\" TERM; sleep 86401' &\nsleep 86402\n";
        fs::write("/usr/bin/certbot", script).unwrap();
        run("chmod 755 /usr/bin/certbot");
        let answer = panel.helper().within(18).ask("/ssl/issue", &request("alice.example"));
        answer.refuses(504, "operation_timeout");
        let found = status(&panel, "alice.example");
        assert_eq!(found["state"], "failed");
        assert!(found["reason"].as_str().unwrap().contains("timed out"), "{found}");
        assert_eq!(attempt("pgrep -af 'sleep 8640[12]'"), (false, String::new()));

        run("mv /usr/bin/certbot.real /usr/bin/certbot");
        assert_eq!(panel.post("/ssl/issue", &request("alice.example")).ok()["state"], "issued");
    });
}

#[test]
fn a_lineage_that_uses_a_tenants_directory_is_reissued() {
    on_a_machine(a_lineage_that_uses_a_tenants_directory_is_reissued, || {
        let (_pebble, panel) = certified();
        run_as("alice", "ln -s /etc /home/alice/alice.example/public_html/.well-known");
        panel.post("/ssl/issue", &request("alice.example")).ok();
        let first = comes_to_serve("alice.example", |seen| !seen.is_empty());
        let settings = "/etc/letsencrypt/renewal/alice.example.conf";
        run(&format!("sed -i 's#/var/lib/opterius/acme#/home/alice/alice.example/public_html#' {settings}"));
        panel.post("/ssl/issue", &request("alice.example")).ok();
        comes_to_serve("alice.example", |seen| !seen.is_empty() && seen != first);
        let settings = panel.read(settings);
        assert!(
            settings.contains("alice.example = /var/lib/opterius/acme") && !settings.contains("/home/"),
            "{settings}"
        );
    });
}
