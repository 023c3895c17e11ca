//! What the owner of a site sets: aliases, redirects, protected directories, hotlink protection. nginx itself is asked for the effect.

use super::{hosting, is_there, page, publish, shows, state};
use crate::support::machine::{attempt_as, on_a_machine, run, run_as};
use crate::support::panel::{self, Answer, Panel};
use crate::support::{SOON, eventually};
use serde_json::{Value, json};

/// Alice and Bob, each with a site.
fn alice_and_bob() -> Panel {
    let panel = hosting(5);
    for name in ["alice", "bob"] {
        panel.created(name, &format!("{name}.example"));
        publish(name, &format!("{name}.example"), "index.html", &format!("The page of {name}"));
    }
    panel
}

/// Waits until a visitor is redirected with this status and exactly this header `Location`.
fn redirects(target: &str, status: u16, location: &str) {
    let mut last = None;
    let is_so = eventually(SOON, || {
        let response = page("alice.example", target);
        let found = (response.status, response.header("Location").map(str::to_owned));
        let is_so = found == (status, Some(location.to_owned()));
        last = Some(found);
        is_so
    });
    assert!(is_so, "{target}: expected {status} {location}, got {last:?}");
}

fn sync(panel: &Panel, redirects: &Value) -> Answer {
    panel.post("/domains/redirect-sync", &json!({"domain": "alice.example", "redirects": redirects}))
}

fn redirect(source: &str, destination: &str, kind: &str) -> Value {
    json!({"source_path": source, "destination": destination, "type": kind})
}

#[test]
fn redirects_are_answered_byte_for_byte() {
    on_a_machine(redirects_are_answered_byte_for_byte, || {
        let panel = alice_and_bob();
        let table = [
            ("/", "/", "https://b.example/?a=$1&b=$host&c=$request_uri#d"),
            ("/old", "/old", "/new"),
            ("/a b", "/a%20b?x=1", "https://b.example/%20x"),
            ("/%C3%BC", "/%C3%BC", "http://b.example"),
            ("//x///y", "/x/y", "https://b.example/$"),
            ("/$host\"; } location / {", "/$host%22;%20%7D%20location%20/%20%7B", "https://b.example/'{},;"),
            ("/\\n\\\"", "/%5Cn%5C%22", "/~!*()"),
            ("/100%25", "/100%25", "/%25"),
            ("/x.php", "/x.php", "/y.php"),
            ("/.env", "/.env", "/"),
        ];
        let all: Vec<Value> =
            table.iter().map(|(source, _, destination)| redirect(source, destination, "301")).collect();
        sync(&panel, &json!(all)).ok();
        for (_, target, destination) in table {
            // As browsers write it.
            redirects(target, 301, &destination.replace('{', "%7B").replace('}', "%7D"));
        }
        // Only the exact path, and no other site.
        shows("alice.example", "/old/", 404, "");
        shows("bob.example", "/", 200, "The page of bob");
        assert_eq!(page("bob.example", "/old").status, 404);
        // Full replacement, which survives a suspension and another change of the site.
        sync(&panel, &json!([redirect("/old", "https://c.example/", "302")])).ok();
        redirects("/old", 302, "https://c.example/");
        shows("alice.example", "/", 200, "The page of alice");
        panel.suspend("alice").ok();
        shows("alice.example", "/old", 503, "");
        panel.unsuspend("alice").ok();
        redirects("/old", 302, "https://c.example/");
        panel.post("/domains/create", &panel::site("alice", "alice.example")).ok();
        redirects("/old", 302, "https://c.example/");
        // As many as are possible.
        let many: Vec<Value> = (0..1000).map(|number| redirect(&format!("/{number}"), "/old", "301")).collect();
        sync(&panel, &json!(many)).ok();
        redirects("/999", 301, "/old");
        sync(&panel, &json!([])).ok();
        shows("alice.example", "/old", 404, "");
        assert!(!is_there("/var/lib/opterius/site-settings/alice.example.json"));
        sync(&panel, &json!([redirect("/old", "/", "301")])).ok();
        panel.delete("alice").ok();
        assert_eq!(run("ls -A /var/lib/opterius/site-settings"), "");
        shows("bob.example", "/", 200, "The page of bob");
    });
}

fn alias(panel: &Panel, call: &str, domain: &str, alias: &str) -> Answer {
    panel.post(&format!("/domains/alias-{call}"), &json!({"domain": domain, "alias_domain": alias}))
}

#[test]
fn a_site_answers_to_its_aliases() {
    on_a_machine(a_site_answers_to_its_aliases, || {
        let panel = alice_and_bob();
        let before = state(&panel);
        for _ in 0..2 {
            let body = alias(&panel, "add", "alice.example", "Alias.example").ok();
            assert_eq!(body["aliases"], json!(["alias.example"]));
        }
        for name in ["alias.example", "www.alias.example", "alice.example", "www.alice.example"] {
            shows(name, "/", 200, "The page of alice");
        }
        panel.suspend("alice").ok();
        shows("alias.example", "/", 503, "");
        panel.unsuspend("alice").ok();
        shows("alias.example", "/", 200, "The page of alice");
        for _ in 0..2 {
            alias(&panel, "remove", "alice.example", "alias.example").ok();
        }
        assert!(eventually(SOON, || !page("alias.example", "/").text().contains("alice")));
        assert_eq!(before.differences(&state(&panel), &["/var/log/opterius"]), [""; 0]);
        // Deleting the account frees the name.
        alias(&panel, "add", "alice.example", "alias.example").ok();
        alias(&panel, "add", "bob.example", "alias.example").refuses(409, "conflict");
        panel.delete("alice").ok();
        alias(&panel, "add", "bob.example", "alias.example").ok();
        shows("alias.example", "/", 200, "The page of bob");
    });
}

#[test]
fn aliases_have_owners() {
    let panel = Panel::on_a_tree(0);
    for name in ["alice", "bob"] {
        panel.created(name, &format!("{name}.example"));
    }
    panel.post("/domains/create", &panel::further_site("alice", "shop.example", "alice.example")).ok();
    alias(&panel, "add", "alice.example", "alias.example").ok();
    let before = state(&panel);
    for (domain, name, status) in [
        ("bob.example", "alice.example", 409),
        ("bob.example", "alias.example", 409),
        ("bob.example", "www.alias.example", 409),
        ("bob.example", "sub.alias.example", 409),
        ("bob.example", "sub.alice.example", 409),
        ("bob.example", "co.uk", 422),
        ("bob.example", "a.localhost", 422),
        // Of the same account, too.
        ("alice.example", "alice.example", 409),
        ("alice.example", "www.alice.example", 409),
        ("alice.example", "www.alias.example", 409),
        ("alice.example", "shop.example", 409),
        ("shop.example", "alias.example", 409),
        ("nobody.example", "other.example", 404),
    ] {
        let answer = alias(&panel, "add", domain, name);
        assert_eq!(answer.status, status, "{domain} {name}: {answer:?}");
    }
    // New sites are refused, too.
    for (username, domain) in [
        ("carol", "alias.example"),
        ("carol", "www.alias.example"),
        ("carol", "sub.alias.example"),
        ("alice", "alias.example"),
        ("alice", "www.alias.example"),
    ] {
        let body = match username {
            "alice" => panel::further_site(username, domain, "alice.example"),
            _ => panel::site(username, domain),
        };
        panel.post("/domains/create", &body).refuses(409, "conflict");
    }
    assert_eq!(before.differences(&state(&panel), &[]), [""; 0]);
    // A limit, so that the first line of the site's file stays short.
    for number in 1..40 {
        alias(&panel, "add", "alice.example", &format!("alias{number}.example")).ok();
    }
    alias(&panel, "add", "alice.example", "one-more.example").refuses(409, "conflict");
    assert_eq!(panel.account("alice").unwrap()["domains"], json!(["alice.example", "shop.example"]));
    panel.delete("alice").ok();
    panel.created("carol", "alias.example");
}

/// Passwords by bcrypt and Apache's MD5, both “sesame”.
fn hashes() -> [String; 2] {
    let bcrypt = run(r#"php -r 'echo password_hash("sesame", PASSWORD_BCRYPT, ["cost" => 4]);'"#);
    [bcrypt, run("openssl passwd -apr1 -salt saltsalt sesame").trim().to_owned()]
}

fn protect(panel: &Panel, path: &str, hash: &str) -> Answer {
    panel.post(
        "/domains/protected-dir/add",
        &json!({
            "domain": "alice.example", "username": "alice", "document_root": "/home/alice/alice.example/public_html",
            "path": path, "label": "Members \"only\" $x", "htaccess_enabled": false,
            "users": [{"username": "visitor", "password_hash": hash}, {"username": "other", "password_hash": hash}],
        }),
    )
}

/// What a visitor with this name and password gets, after curl(1) has sent the path as it is.
fn visit(user: &str, target: &str) -> String {
    let user = if user.is_empty() { String::new() } else { format!("-u '{user}'") };
    run(&format!(
        "curl -s --path-as-is {user} -o /run/page -w '%{{http_code}} ' -H 'Host: alice.example' 'http://127.0.0.1{target}'
         head -c 40 /run/page"
    ))
}

#[test]
fn a_protected_directory_asks_for_a_password_whatever_the_path() {
    on_a_machine(a_protected_directory_asks_for_a_password_whatever_the_path, || {
        let panel = alice_and_bob();
        run_as(
            "alice",
            "cd /home/alice/alice.example/public_html && mkdir -p secret/inner secrets SECRET pub.dir
             for name in secret secret/inner secrets SECRET pub.dir; do echo \"<?php echo 'script of $name';\" >$name/x.php
             echo \"file of $name\" >$name/x.txt; done
             echo \"<?php echo 'index';\" >secret/index.php; echo \"<?php echo 'front ', \\$_SERVER['REQUEST_URI'];\" >index.php",
        );
        shows("alice.example", "/secret/x.php", 200, "script of secret");
        let before = state(&panel);
        let [bcrypt, apr1] = hashes();
        for hash in [&bcrypt, &apr1] {
            protect(&panel, "/secret/", hash).ok();
            for target in [
                "/secret",
                "/secret/",
                "/secret/x.php",
                "/secret/x.txt",
                "//secret/x.txt",
                "//secret//x.php",
                "/./secret/x.php",
                "/a/../secret/x.php",
                "/%73ecret/x.php",
                "/secret%2Fx.php",
                "/secret/x.php/info",
                "/secret/x.php?a=b",
                "/secret/missing",
                "/secret/missing.php",
                "/secret/inner/x.php",
                "/secret/inner/x.txt",
            ] {
                assert!(visit("", target).starts_with("401 "), "{target}: {}", visit("", target));
                assert!(visit("visitor:wrong", target).starts_with("401 "), "{target}");
                assert!(!visit("visitor:sesame", target).starts_with("401 "), "{target}");
            }
            assert_eq!(visit("visitor:sesame", "/secret/x.php"), "200 script of secret");
            assert_eq!(visit("other:sesame", "/secret/x.txt"), "200 file of secret\n");
            assert_eq!(visit("visitor:sesame", "/secret/"), "200 index");
            for (target, expected) in [
                ("/secrets/x.php", "200 script of secrets"),
                ("/SECRET/x.php", "200 script of SECRET"),
                ("/pub.dir/x.txt", "200 file of pub.dir\n"),
                ("/", "200 front /"),
            ] {
                assert_eq!(visit("", target), expected);
            }
        }
        let header = page("alice.example", "/secret/").header("WWW-Authenticate").unwrap().to_owned();
        assert_eq!(header, "Basic realm=\"Members only x\"");
        // The web server can read the passwords; the account, whose PHP runs beside it, cannot.
        let file = run("find /var/lib/opterius/site-passwords -type f -printf '%m %u %g %p'");
        assert!(file.starts_with("640 root www-data /"), "{file}");
        assert!(!attempt_as("alice", "cat /var/lib/opterius/site-passwords/*").0);
        assert!(!attempt_as("alice", &format!("cat {}", file.split(' ').next_back().unwrap())).0);
        assert!(!attempt_as("alice", "ls /var/lib/opterius/site-passwords").0);
        // A directory within it can have other visitors; a dot stands for a dot.
        let other = run(r#"php -r 'echo password_hash("other", PASSWORD_BCRYPT, ["cost" => 4]);'"#);
        protect(&panel, "secret/inner", &other).ok();
        protect(&panel, "pub.dir", &other).ok();
        assert_eq!(visit("visitor:other", "/secret/inner/x.php"), "200 script of secret/inner");
        assert!(visit("visitor:sesame", "/secret/inner/x.php").starts_with("401 "));
        assert_eq!(visit("visitor:sesame", "/secret/x.php"), "200 script of secret");
        assert!(visit("", "/pub.dir/x.txt").starts_with("401 "));
        assert!(!visit("", "/pubxdir/x.txt").starts_with("401 "));
        // Certificates can still be issued, and the other site has no password.
        run(
            "mkdir -p /var/lib/opterius/acme/.well-known/acme-challenge && echo response >/var/lib/opterius/acme/.well-known/acme-challenge/x",
        );
        shows("alice.example", "/.well-known/acme-challenge/x", 200, "response");
        shows("bob.example", "/", 200, "The page of bob");
        protect(&panel, "secret", "*0").refuses(422, "validation_failed");
        panel.suspend("alice").ok();
        shows("alice.example", "/secret/x.php", 503, "");
        panel.unsuspend("alice").ok();
        assert!(visit("", "/secret/x.php").starts_with("401 "));
        for path in ["secret/inner", "pub.dir", "secret", "secret", "never"] {
            let body = json!({
                "domain": "alice.example", "username": "alice", "path": path, "htaccess_enabled": false,
                "document_root": "/home/alice/alice.example/public_html",
            });
            panel.post("/domains/protected-dir/remove", &body).ok();
        }
        shows("alice.example", "/secret/x.php", 200, "script of secret");
        run("rm -r /var/lib/opterius/acme/.well-known");
        assert_eq!(before.differences(&state(&panel), &["/var/log/opterius"]), [""; 0]);
        protect(&panel, "secret", &bcrypt).ok();
        panel.delete("alice").ok();
        assert_eq!(
            run("ls -A /var/lib/opterius/site-passwords /var/lib/opterius/site-settings | grep -v : || true").trim(),
            ""
        );
    });
}

/// The status for a visitor with this header `Referer`.
fn referred(from: &str, target: &str) -> String {
    let header = if from.is_empty() { String::new() } else { format!("-H 'Referer: {from}'") };
    run(&format!(
        "curl -s -o /dev/null -w '%{{http_code}} %{{redirect_url}}' -H 'Host: alice.example' {header} 'http://127.0.0.1{target}'"
    ))
}

#[test]
fn other_sites_cannot_show_protected_files() {
    on_a_machine(other_sites_cannot_show_protected_files, || {
        let panel = alice_and_bob();
        run_as(
            "alice",
            "cd /home/alice/alice.example/public_html && echo x | tee a.jpg a.JPG a.png .b.jpg no.gif >/dev/null
             echo '<?php echo 1;' >a.php",
        );
        let set = |changes: Value| {
            let mut body = json!({
                "domain": "alice.example", "username": "alice", "document_root": "/home/alice/alice.example/public_html",
                "htaccess_enabled": false, "enabled": true,
                "allowed_domains": ["friend.example", "https://www.other.example/", format!("{}.example", "a".repeat(63))],
                "allowed_extensions": [".JPG", "gif"], "allow_direct": true, "redirect_url": null,
            });
            body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            panel.post("/domains/hotlink/set", &body)
        };
        let before = state(&panel);
        set(json!({})).ok();
        for (from, target, expected) in [
            ("https://evil.example/x", "/a.jpg", "403 "),
            ("https://evil.example/friend.example", "/a.JPG", "403 "),
            ("https://notfriend.example/", "/a.jpg", "403 "),
            ("https://friend.example.evil.example/", "/a.jpg", "403 "),
            ("https://friend.example/x", "/a.jpg", "200 "),
            ("http://www.friend.example", "/a.jpg", "200 "),
            ("https://www.other.example/", "/a.jpg", "200 "),
            ("https://www.alice.example/page", "/a.jpg", "200 "),
            ("http://alice.example/", "/a.JPG", "200 "),
            ("", "/a.jpg", "200 "),
            ("https://evil.example/", "/a.png", "200 "),
            ("https://evil.example/", "/a.php", "200 "),
            ("https://evil.example/", "/.b.jpg", "404 "),
            ("", "/missing.jpg", "404 "),
        ] {
            assert_eq!(referred(from, target), expected, "{from} {target}");
        }
        set(json!({"allow_direct": false, "redirect_url": "https://b.example/no.jpg?a=$b"})).ok();
        assert_eq!(referred("", "/a.jpg"), "302 https://b.example/no.jpg?a=$b");
        assert_eq!(referred("https://evil.example/", "/a.jpg"), "302 https://b.example/no.jpg?a=$b");
        set(json!({"redirect_url": "/a.png"})).ok();
        assert_eq!(page("alice.example", "/a.jpg").status, 200);
        assert_eq!(referred("https://evil.example/", "/a.jpg"), "302 http://127.0.0.1/a.png");
        run(
            "mkdir -p /var/lib/opterius/acme/.well-known/acme-challenge && echo response >/var/lib/opterius/acme/.well-known/acme-challenge/x.jpg",
        );
        assert_eq!(referred("https://evil.example/", "/.well-known/acme-challenge/x.jpg"), "200 ");
        run("rm -r /var/lib/opterius/acme/.well-known");
        set(json!({"enabled": false, "allowed_extensions": [], "allowed_domains": ["not valid"]})).ok();
        assert_eq!(referred("https://evil.example/", "/a.jpg"), "200 ");
        assert_eq!(before.differences(&state(&panel), &["/var/log/opterius"]), [""; 0]);
        shows("bob.example", "/", 200, "The page of bob");
    });
}

#[test]
fn htaccess_files_are_honestly_refused() {
    let panel = Panel::on_a_tree(0);
    panel.created("alice", "alice.example");
    let before = state(&panel);
    let toggle = |enabled: bool| {
        let root = "/home/alice/alice.example";
        panel.post(
            "/domains/toggle-htaccess",
            &json!({
                "domain": "alice.example", "username": "alice", "document_root": format!("{root}/public_html"),
                "php_version": panel::PHP, "logs_dir": format!("{root}/logs"), "htaccess_enabled": enabled,
            }),
        )
    };
    let answer = toggle(true);
    answer.refuses(409, "conflict");
    assert!(answer.body["error"].as_str().unwrap().contains("does not read .htaccess"), "{answer:?}");
    assert_eq!(toggle(false).ok()["htaccess_enabled"], false);
    assert_eq!(before.differences(&state(&panel), &[]), [""; 0]);
}

fn custom(panel: &Panel, directives: &str) -> Answer {
    panel.post("/domains/custom-nginx", &json!({"domain": "alice.example", "directives": directives}))
}

/// What a site of a hosting customer needs.
const DIRECTIVES: &str = r#"
add_header X-Frame-Options "SAME; \"ORIGIN\"" always;   # a comment; with } signs
client_max_body_size 100m;
gzip off;
index start.html index.php;
error_page 404 /404.html;
error_page 403 =200 /x.php?y=1;
location / { add_header X-Root yes; }
location /static/ { expires 30d; add_header X-Static yes; autoindex on; }
location /old/ { rewrite ^/old/(.*)\.html$ /x.php?page=$1 last; rewrite ^/old/([0-9]+)$ /static/$1 permanent; }
location = /hello { default_type text/plain; return 200 "hello $arg_name from $host"; }
location = /away { return 302 https://b.example$request_uri; }
"#;

#[test]
fn an_owners_own_directives_take_effect() {
    on_a_machine(an_owners_own_directives_take_effect, || {
        let panel = alice_and_bob();
        run_as("alice", "cd /home/alice/alice.example/public_html && mkdir -p static && echo a >static/a.txt && echo start >start.html
             echo '<?php echo \"script \", $_SERVER[\"QUERY_STRING\"];' >x.php; echo 'custom page' >404.html; echo secret >.env");
        let before = state(&panel);
        custom(&panel, DIRECTIVES).ok();
        shows("alice.example", "/", 200, "start");
        let response = page("alice.example", "/static/a.txt");
        assert_eq!(
            (response.header("X-Static"), response.header("Cache-Control")),
            (Some("yes"), Some("max-age=2592000"))
        );
        let front = page("alice.example", "/x.php");
        assert_eq!(front.header("X-Frame-Options"), Some("SAME; \"ORIGIN\""));
        assert_eq!(page("alice.example", "/").header("X-Root"), Some("yes"));
        assert_eq!(page("alice.example", "/old/a.b.html?x=1").text(), "script page=a.b&x=1");
        assert_eq!(page("alice.example", "/old/7").header("Location"), Some("http://alice.example/static/7"));
        assert_eq!(page("alice.example", "/hello?name=%24host").text(), "hello %24host from alice.example");
        assert_eq!(page("alice.example", "/away?x").header("Location"), Some("https://b.example/away?x"));
        shows("alice.example", "/static/missing", 404, "custom page");
        shows("alice.example", "/missing.php", 404, "custom page");
        run("mv /home/alice/alice.example/public_html/404.html /home/alice/alice.example/public_html/404");
        for target in ["/missing", "/missing.php", "/static/missing", "/404.html"] {
            assert_eq!(page("alice.example", target).status, 404, "{target}");
        }
        run("mv /home/alice/alice.example/public_html/404 /home/alice/alice.example/public_html/404.html");
        // What is hidden stays hidden, and scripts stay scripts.
        for target in ["/.env", "/static/.env"] {
            assert_eq!(page("alice.example", target).status, 404, "{target}");
        }
        shows("alice.example", "/x.php", 200, "script ");
        // The Agent's own paths are not led to the owner's pages.
        for target in ["/.well-known/opterius-agent/x", "/.well-known/acme-challenge/x"] {
            let response = page("alice.example", target);
            assert!(response.status == 404 && !response.text().contains("custom"), "{target}: {}", response.text());
        }
        // Redirects come before them; they survive a suspension.
        sync(&panel, &json!([redirect("/hello", "/elsewhere", "301")])).ok();
        redirects("/hello", 301, "/elsewhere");
        sync(&panel, &json!([])).ok();
        panel.suspend("alice").ok();
        shows("alice.example", "/hello", 503, "");
        panel.unsuspend("alice").ok();
        shows("alice.example", "/hello", 200, "hello");
        // Refusals change nothing.
        let whole = state(&panel);
        for text in
            ["location ~ \\.php$ { etag on; }", "include /etc/passwd;", "etag on", "location = /x.php { etag on; }"]
        {
            custom(&panel, text).refuses(422, "validation_failed");
        }
        assert_eq!(whole.differences(&state(&panel), &["/var/log/opterius"]), [""; 0]);
        // Nobody may enter, but certificates are issued and the Agent sees its change.
        custom(&panel, "deny all; limit_rate 1k; expires max; default_type application/x; charset utf-8;").ok();
        shows("alice.example", "/", 403, "");
        shows("alice.example", "/x.php", 403, "");
        run(
            "mkdir -p /var/lib/opterius/acme/.well-known/acme-challenge && echo response >/var/lib/opterius/acme/.well-known/acme-challenge/x",
        );
        shows("alice.example", "/.well-known/acme-challenge/x", 200, "response");
        run("rm -r /var/lib/opterius/acme/.well-known");
        // The administrator's own directives win.
        run(
            "mkdir -p /etc/opterius/nginx.d && echo 'client_max_body_size 1m; etag off;' >/etc/opterius/nginx.d/alice.example.conf",
        );
        custom(&panel, "client_max_body_size 5m; etag on; error_page 404 /404.html;").ok();
        shows("alice.example", "/missing", 404, "custom page");
        run("rm -r /etc/opterius");
        custom(&panel, "").ok();
        assert_eq!(before.differences(&state(&panel), &["/var/log/opterius"]), [""; 0]);
        shows("bob.example", "/", 200, "The page of bob");
        custom(&panel, "etag off;").ok();
        // Other operations go on if an upgrade allows less.
        run("echo '{\"directives\":\"root /;\"}' >/var/lib/opterius/site-settings/alice.example.json");
        let warnings = sync(&panel, &json!([])).ok()["warnings"].to_string();
        assert!(warnings.contains("are left out") && warnings.contains("line 1"), "{warnings}");
        shows("alice.example", "/x.php", 200, "script ");
    });
}

/// Everything that is allowed is what nginx itself accepts.
#[test]
fn nginx_accepts_every_directive_that_is_allowed() {
    let panel = Panel::on_a_tree(0);
    panel.created("alice", "alice.example");
    for directive in [
        "absolute_redirect off",
        "add_header A b",
        "add_header A $host always",
        "allow 192.0.2.1",
        "deny 2001:db8::/32",
        "autoindex on",
        "autoindex_exact_size off",
        "autoindex_format json",
        "autoindex_localtime on",
        "charset utf-8",
        "charset off",
        "client_max_body_size 1g",
        "default_type text/plain",
        "error_page 404 403 =410 /x",
        "error_page 500 = /x",
        "etag off",
        "expires -1",
        "expires 12h",
        "expires epoch",
        "expires max",
        "expires off",
        "gzip on",
        "gzip_comp_level 9",
        "gzip_min_length 20k",
        "gzip_proxied any",
        "gzip_static on",
        "gzip_types *",
        "gzip_types text/css image/svg+xml",
        "gzip_vary on",
        "if_modified_since before",
        "index a.html b.php",
        "limit_rate 0",
        "limit_rate 10m",
        "limit_rate_after 1024m",
        "log_not_found off",
        "max_ranges 0",
        "port_in_redirect off",
        "server_tokens off",
    ] {
        for text in
            [format!("{directive};"), format!("location /x {{ {directive}; }} location = /y {{ {directive}; }}")]
        {
            if text.starts_with("location") && (directive.starts_with("allow") || directive.starts_with("deny")) {
                continue;
            }
            custom(&panel, &text).ok();
        }
    }
    for directive in [
        "return 204",
        "return 301 /x",
        "return 308 $scheme://$host/$args",
        "return 200 \"{};'$\"",
        "try_files $uri $uri/ /x.php?$args",
        "try_files /a $uri.html =404",
        "rewrite ^ /x last",
        "rewrite ^/x/(\\d+)$ /y?$1 permanent",
        "rewrite ^/a\\.b$ https://b.example/ redirect",
    ] {
        let answer = custom(&panel, &format!("location /x {{ {directive}; }} location / {{ {directive}; }}"));
        match directive.contains("$\"") {
            true => answer.refuses(422, "validation_failed"),
            false => drop(answer.ok()),
        }
    }
}
