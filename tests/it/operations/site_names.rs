//! Names that a new site cannot have: the server's own, those in files of others, public suffixes, and those that share
//! cookies with the site of another account.

use super::{hosting, shows, state};
use crate::support::agent::Agent;
use crate::support::machine::{on_a_machine, run};
use crate::support::panel::{Panel, further_site};
use serde_json::json;
use std::fs;

fn write(panel: &Panel, path: &str, text: &str) {
    let path = panel.path(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn names_in_files_of_others_are_taken() {
    let panel = Panel::on_a_tree(0);
    // As administrators write them: several on a line and on several lines, in any case, in files of any name.
    write(
        &panel,
        "/etc/nginx/sites-enabled/00-panel.conf",
        "server {\n  listen 8443;\n  server_name\n    Panel.Provider.example   other.example\n    \"quoted.example\"; # hidden.example;\n}\n",
    );
    write(
        &panel,
        "/etc/nginx/conf.d/apps.conf",
        "server { server_name *.apps.example .dot.example www.tail.*; }\nserver { server_name ~^(?<x>[a-z]+)\\.regex\\.example$ _; }\n\
         server { server_name ~^(.+)$; }\nserver { server_name www.only.example; }\n",
    );
    panel.created("bob", "bob.example");
    let before = state(&panel);
    for domain in [
        "panel.provider.example",
        "PANEL.provider.example",
        "other.example",
        "quoted.example",
        "x.apps.example",
        "a.b.apps.example",
        "dot.example",
        "sub.dot.example",
        "www.tail.example",
        "tail.example",
        "abc.regex.example",
        "only.example",
    ] {
        let answer = panel.create("alice", domain);
        answer.refuses(409, "conflict");
        assert!(answer.body["error"].as_str().unwrap().contains("/etc/nginx/"), "{domain}: {answer:?}");
        panel.post("/domains/create", &further_site("bob", domain, "bob.example"));
    }
    // “only.example” alone is free: a further site has no www.
    assert_eq!(panel.account("bob").unwrap()["domains"], json!(["bob.example", "only.example", "tail.example"]));
    for domain in ["only.example", "tail.example"] {
        panel.post("/domains/delete", &json!({"domain": domain, "username": "bob"})).ok();
    }
    assert_eq!(before.differences(&state(&panel), &["/var/log/opterius", "/home/bob", "/var/lib/opterius"]), [""; 0]);
    for (username, domain) in [("alice", "hidden.example"), ("dave", "provider.example")] {
        panel.created(username, domain);
    }
}

#[test]
fn the_servers_own_names_are_taken() {
    let builder = Agent::builder().set("allowed_hosts", "agent.example");
    let panel = Panel::of_on_a_tree(builder, 0);
    write(&panel, "/etc/hostname", "server1\n");
    write(&panel, "/etc/hosts", "127.0.0.1 localhost\n192.0.2.1 server1.provider.example server1\n");
    write(&panel, "/etc/resolv.conf", "search lan.example\n");
    write(&panel, "/etc/mailname", "mail.provider.example\n");
    write(&panel, "/opt/opterius/.env", "APP_KEY=x\nAPP_URL=https://panel.provider.example:8443\n");
    for domain in [
        "server1.provider.example",
        "SERVER1.provider.example",
        "server1.lan.example",
        "mail.provider.example",
        "panel.provider.example",
        "agent.example",
    ] {
        panel.create("alice", domain).refuses(409, "conflict");
    }
    for domain in ["a.localhost", "localhost.localdomain", "example.invalid", "1.0.0.127.in-addr.arpa", "home.arpa"] {
        panel.create("alice", domain).refuses(422, "validation_failed");
    }
    assert_eq!(panel.usernames(), [""; 0]);
    panel.created("alice", "provider.example");
}

#[test]
fn public_suffixes_are_no_domains_of_sites() {
    let panel = Panel::on_a_tree(0);
    panel.created("bob", "bob.co.uk");
    for domain in ["co.uk", "CO.uk", "github.io", "com.au"] {
        let answer = panel.create("alice", domain);
        answer.refuses(422, "validation_failed");
        assert_eq!(answer.body["field"], "domain", "{answer:?}");
        panel.post("/domains/create", &further_site("bob", domain, "bob.co.uk")).refuses(422, "validation_failed");
    }
    // With Debian's list, also those that are not built in.
    panel.created("carol", "carol.kawasaki.jp");
    fs::create_dir_all(panel.path("/usr/share/publicsuffix")).unwrap();
    fs::copy(
        "/usr/share/publicsuffix/public_suffix_list.dat",
        panel.path("/usr/share/publicsuffix/public_suffix_list.dat"),
    )
    .unwrap();
    for domain in ["carol.kawasaki.jp", "other.kawasaki.jp", "xn--55qx5d.cn", "blogspot.com"] {
        panel.create("dave", domain).refuses(
            if domain.starts_with("carol") { 409 } else { 422 },
            if domain.starts_with("carol") { "conflict" } else { "validation_failed" },
        );
    }
    panel.created("dave", "city.kawasaki.jp");
    // What exists goes on.
    panel.suspend("carol").ok();
    panel.unsuspend("carol").ok();
}

#[test]
fn accounts_do_not_share_a_domain_with_its_subdomains() {
    let panel = Panel::on_a_tree(0);
    panel.created("bob", "a.shared.example");
    panel.created("carol", "carol.example");
    for domain in ["shared.example", "b.a.shared.example", "a.shared.example"] {
        panel.create("alice", domain).refuses(409, "conflict");
        panel.post("/domains/create", &further_site("carol", domain, "carol.example")).refuses(409, "conflict");
    }
    panel.post("/domains/create", &further_site("bob", "shared.example", "a.shared.example")).ok();
    panel.post("/domains/create", &further_site("bob", "b.a.shared.example", "a.shared.example")).ok();
    panel.created("alice", "other-shared.example");
}

/// With the real nginx, whose main file includes what it includes.
#[test]
fn the_panels_visitors_do_not_get_a_tenants_page() {
    on_a_machine(the_panels_visitors_do_not_get_a_tenants_page, || {
        run("mkdir -p /etc/nginx/vhosts /srv/panel && echo 'The Panel' >/srv/panel/index.html
             sed -i 's,http {,http {\\n include /etc/nginx/vhosts/*.vhost;,' /etc/nginx/nginx.conf
             echo 'server { listen 80; server_name panel.provider.example *.provider.example; root /srv/panel; }' >/etc/nginx/vhosts/p.vhost");
        let panel = hosting(0);
        panel.created("bob", "bob.example");
        let hostname = run("hostname").trim().to_owned();
        for domain in ["panel.provider.example", "x.provider.example", &format!("{hostname}.localdomain")] {
            let answer = panel.create("alice", domain);
            assert!(matches!(answer.status, 409 | 422), "{domain}: {answer:?}");
        }
        shows("panel.provider.example", "/", 200, "The Panel");
        shows("x.provider.example", "/", 200, "The Panel");
        panel.created("alice", "alice.example");
        shows("panel.provider.example", "/", 200, "The Panel");
    });
}
