//! Directives that owners write for nginx.

use super::alice_and_bob;
use super::redirects::{redirect, redirects, sync};
use crate::operations::{page, shows, state};
use crate::support::machine::{on_a_machine, run, run_as};
use crate::support::panel::{Answer, Panel};
use serde_json::json;

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
location /static/ { expires 30d; add_header X-Static yes; }
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
        "autoindex off",
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
