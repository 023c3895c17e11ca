//! The content of a site's nginx file, generated from a [`View`].
//!
//! All values in it are our own paths, of types that allow no special characters of nginx, or quoted.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::servers::nginx::token;
use crate::web::site_view::View;
use crate::web::{protected_directories, redirects, site_body};
use opterius_host::host::Host;
use opterius_host::layout::WEBROOT;
use opterius_host::sites::mark::MARK;

/// TLS as in Mozilla's intermediate profile, version 5.7. All sites share one session cache: nginx merges those with the same
/// name and size.
pub const TLS: [(&str, &str); 6] = [
    ("ssl_protocols", "TLSv1.2 TLSv1.3"),
    (
        "ssl_ciphers",
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
         ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:\
         DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305",
    ),
    ("ssl_prefer_server_ciphers", "off"),
    ("ssl_session_timeout", "1d"),
    ("ssl_session_cache", "shared:opterius:10m"),
    ("ssl_session_tickets", "off"),
];

/// The complete file, with the token by which nginx answers for it.
pub fn render(host: &Host, view: &View<'_>) -> String {
    let text = render_with_placeholder(host, view);
    let chain = view.certificate.as_ref().and_then(|found| fs::read(&found.fullchain).ok()).unwrap_or_default();
    let token = token::of(&[text.as_bytes(), &chain]);
    token::insert(&text, &token)
}

fn render_with_placeholder(host: &Host, view: &View<'_>) -> String {
    let mark = serde_json::to_string(view.site).unwrap_or_default();
    let mut text = format!(
        "{MARK}{mark}\n# The Agent overwrites this file whenever the site changes. To manage it manually, delete the line above.\n"
    );
    text.push_str(&redirects::variables(view.site, &view.settings));
    text.push_str(&protected_directories::variables(host, view.site, &view.settings.protected));
    let (secure, plain) = view.by_scheme();
    if !plain.is_empty() {
        server(&mut text, host, view, &plain, &listen("80"), &site_body::render(host, view));
    }
    match view.certificate.as_ref().filter(|_| !secure.is_empty()) {
        None => {}
        Some(certificate) => {
            let redirected = if view.suspended { site_body::render(host, view) } else { redirect() };
            server(&mut text, host, view, &secure, &listen("80"), &redirected);
            let keys = format!(
                "    ssl_certificate \"{}\";\n    ssl_certificate_key \"{}\";\n{}\n",
                certificate.fullchain.display(),
                certificate.key.display(),
                view.settings_of(&TLS),
            );
            server(&mut text, host, view, &secure, &listen("443 ssl http2"), &(keys + &site_body::render(host, view)));
        }
    }
    text
}

/// One server block. Regardless of the rest, it answers for its token, and ACME challenges from a directory that only root
/// can write to.
fn server(text: &mut String, host: &Host, view: &View<'_>, names: &[String], listen: &str, body: &str) {
    let logs = view.site.logs(host);
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "server {{\n{listen}    server_name {names};\n    access_log \"{logs}/access.log\";\n    error_log \"{logs}/error.log\";\n\n    \
         location ^~ /.well-known/acme-challenge/ {{\n        root \"{webroot}\";\n        default_type text/plain;\n        \
         # Whatever else the site asks of its visitors.\n        auth_basic off;\n        allow all;\n    }}\n",
        names = names.join(" "),
        logs = logs.display(),
        webroot = host.path(WEBROOT).display(),
    );
    token::write(text, token::PLACEHOLDER);
    text.push_str(body);
    text.push_str("}\n");
}

fn listen(port: &str) -> String {
    let version_6 = if has_ipv6() { format!("    listen [::]:{port};\n") } else { String::new() };
    format!("    listen {port};\n{version_6}")
}

/// Whether this machine has IPv6; nginx could not listen otherwise.
pub fn has_ipv6() -> bool {
    Path::new("/proc/net/if_inet6").exists()
}

fn redirect() -> String {
    "    location / {\n        return 301 https://$host$request_uri;\n    }\n".to_owned()
}
