//! Adopting the accounts of an existing host: what is theirs alone is taken over, what others have a part in is left alone,
//! with a sentence that says why.

use super::{hosting, is_there, page, shows};
use crate::support::machine::{on_a_machine, run};
use crate::support::panel::Panel;
use std::fs;

/// Runs `operation adopt`, and returns what it printed.
fn adopt(panel: &Panel) -> String {
    let output = panel.helper().command(&["operation", "adopt"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A user with a site in a file of this path.
fn user_with_site(name: &str, path: &str) {
    run(&format!(
        "useradd -m -s /bin/bash {name}; mkdir -p /home/{name}/www; echo 'A page of {name}' >/home/{name}/www/index.html
         chmod 755 /home/{name}; chown -R {name}: /home/{name}/www
         echo 'server {{ listen 80; server_name {name}.example WWW.{name}.example\n *.w.{name}.example; root /home/{name}/www; }}' >{path}"
    ));
}

#[test]
fn an_adopted_site_is_suspended_wherever_its_file_is() {
    on_a_machine(an_adopted_site_is_suspended_wherever_its_file_is, || {
        // A link with another name, a file in conf.d with two servers and a certificate, and a file among the links.
        user_with_site("carol", "/etc/nginx/sites-available/10-shop");
        run("ln -s ../sites-available/10-shop /etc/nginx/sites-enabled/shop");
        user_with_site("dave", "/etc/nginx/conf.d/dave-sites.conf");
        run("cd /etc/nginx; openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -days 9 -subj /CN=tls.dave.example 2>/dev/null
             echo 'server { listen 443 ssl; server_name tls.dave.example; ssl_certificate /etc/nginx/c.pem; ssl_certificate_key /etc/nginx/k.pem;
                   root /home/dave/www; }' >>conf.d/dave-sites.conf");
        user_with_site("erin", "/etc/nginx/sites-enabled/erin.example");
        let files = [
            "/etc/nginx/sites-available/10-shop",
            "/etc/nginx/conf.d/dave-sites.conf",
            "/etc/nginx/sites-enabled/erin.example",
        ];
        let before = files.map(|path| fs::read(path).unwrap());
        let panel = hosting(0);
        panel.created("bob", "bob.example");
        let printed = adopt(&panel);
        assert_eq!(panel.usernames(), ["bob", "carol", "dave", "erin"], "{printed}");

        let tls = || {
            run(
                "curl -sk -o /dev/null -w '%{http_code}' --resolve tls.dave.example:443:127.0.0.1 https://tls.dave.example/",
            )
        };
        assert_eq!(tls(), "200");
        for name in ["carol", "dave", "erin"] {
            for _ in 0..2 {
                panel.suspend(name).ok();
                for domain in [format!("{name}.example"), format!("www.{name}.example"), format!("x.w.{name}.example")]
                {
                    shows(&domain, "/", 503, "");
                }
            }
            panel.create("frank", &format!("{name}.example")).refuses(409, "conflict");
        }
        assert_eq!(tls(), "503");
        shows("bob.example", "/", page("bob.example", "/").status, "");
        for name in ["carol", "dave", "erin"] {
            panel.unsuspend(name).ok();
            shows(&format!("{name}.example"), "/", 200, &format!("A page of {name}"));
        }
        assert_eq!(tls(), "200");
        assert_eq!(files.map(|path| fs::read(path).unwrap()), before, "a file of others was rewritten");
        assert_eq!(
            fs::read_link("/etc/nginx/sites-enabled/shop").unwrap().to_str(),
            Some("../sites-available/10-shop")
        );
        assert_eq!(fs::read_dir("/var/lib/opterius/suspended").unwrap().count(), 0);

        panel.suspend("dave").ok();
        for name in ["carol", "dave", "erin"] {
            panel.delete(name).ok();
        }
        for path in files.iter().chain(&["/etc/nginx/sites-enabled/shop"]) {
            assert!(!is_there(path), "{path}");
        }
        assert_eq!(panel.usernames(), ["bob"]);
        panel.created("carol", "carol.example");
    });
}

#[test]
fn what_others_have_a_part_in_is_not_adopted() {
    on_a_machine(what_others_have_a_part_in_is_not_adopted, || {
        run("groupadd -g 1500 clients");
        for name in ["carol", "dave", "erin", "frank", "gina", "hugo", "ivan"] {
            user_with_site(name, &format!("/etc/nginx/conf.d/{name}.example.conf"));
        }
        run("usermod -aG sudo carol; usermod -aG www-data ivan; usermod -g clients dave; usermod -g clients erin
             mkdir -p /etc/sudoers.d; echo 'frank ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/frank
             echo 'server { listen 80; server_name two.example; root /home/hugo/www; }' >>/etc/nginx/conf.d/gina.example.conf");
        let panel = hosting(0);
        panel.created("bob", "bob.example");
        let printed = adopt(&panel);
        // Hugo's own file is his alone, but he has a site in Gina's.
        assert_eq!(panel.usernames(), ["bob"], "{printed}");
        for (name, word) in [
            ("carol", "“sudo”"),
            ("dave", "“erin”"),
            ("erin", "“dave”"),
            ("frank", "/etc/sudoers.d/frank"),
            ("gina", "/home/hugo/www"),
            ("hugo", "gina.example.conf"),
            ("ivan", "“www-data”"),
        ] {
            let told = printed.lines().any(|line| line.contains(&format!("“{name}”")) && line.contains(word));
            assert!(told, "{name}: {printed}");
        }
        run("gpasswd -d carol sudo; rm /etc/sudoers.d/frank");
        adopt(&panel);
        assert_eq!(panel.usernames(), ["bob", "carol", "frank"]);

        // It is checked again at each operation.
        run("usermod -aG docker carol 2>/dev/null || { groupadd docker; usermod -aG docker carol; }");
        let password = serde_json::json!({"username": "carol", "password": "correct horse"});
        for answer in [
            panel.suspend("carol"),
            panel.unsuspend("carol"),
            panel.delete("carol"),
            panel.post("/account/password", &password),
        ] {
            answer.refuses(409, "conflict");
            assert!(answer.body["error"].as_str().unwrap().contains("“docker”"), "{answer:?}");
        }
        run(
            "echo 'server { listen 80; server_name h.example; root /home/hugo/www; }' >>/etc/nginx/conf.d/frank.example.conf; nginx -s reload",
        );
        panel.delete("frank").refuses(409, "conflict");
        shows("h.example", "/", 200, "A page of hugo");
        // A suspension does what it can, and does not claim the rest.
        let answer = panel.suspend("frank");
        answer.refuses(409, "conflict");
        let error = answer.body["error"].as_str().unwrap();
        assert!(error.contains("cannot log in") && error.contains("still served") && error.contains("hugo"), "{error}");
        assert!(run("getent passwd frank").trim().ends_with("/usr/sbin/nologin"));
        shows("h.example", "/", 200, "A page of hugo");
        panel.suspend("bob").ok();
        panel.unsuspend("bob").ok();
        panel.delete("bob").ok();
    });
}
