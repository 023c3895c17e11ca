//! The server that answers for names that no site has. Without it, nginx would choose the first site by alphabet, and its
//! tenant would get the requests of others, cookies included.
//!
//! nginx allows one for each address and port, so ours leaves out those that a file of others has. It exists as long as
//! there are sites.

use std::path::{Path, PathBuf};

use crate::servers::nginx::place;
use crate::transaction::Transaction;
use crate::web::site_file::{TLS, has_ipv6};
use opterius_base::deadline::Deadline;
use opterius_base::files::{self, FileMode};
use opterius_host::host::Host;
use opterius_host::layout::{NGINX_DEFAULT, WEBROOT};
use opterius_host::nginx::included::{ENABLED, Included, PLAIN};
use opterius_host::nginx::{directives, listen};
use opterius_host::problem::Problem;
use opterius_host::sites::mark::MARK;
use opterius_host::tool::Tool;

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// The first version of nginx that can refuse a handshake.
const REJECTS_HANDSHAKES: [u32; 3] = [1, 19, 4];

/// What the files that nginx includes listen on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Surroundings {
    has_sites: bool,
    /// Whether a site has a certificate: nginx then listens on port 443 anyway.
    has_certificates: bool,
    /// The addresses and ports for which a file of others answers by default.
    taken: Vec<(String, u16)>,
}

/// Creates, changes or deletes the server, according to all other files.
///
/// # Errors
/// A file cannot be changed.
pub fn update(transaction: &mut Transaction<'_>, deadline: Deadline) -> Result<(), Problem> {
    let host = transaction.host();
    let path = place::shared(host, NGINX_DEFAULT);
    let surroundings = Surroundings::read(host);
    let rejects = surroundings.has_certificates && rejects_handshakes(deadline);
    let text = text(host, &surroundings, rejects);
    for other in all(host).into_iter().filter(|other| text.is_none() || *other != path) {
        transaction.remove(&other)?;
    }
    match text {
        Some(text) if files::read(&path, MAX_FILE).ok().as_deref() != Some(text.as_bytes()) => {
            transaction.write(&path, text.as_bytes(), FileMode::mode(0o644))
        }
        _ => Ok(()),
    }
}

/// Deletes the server: nginx says that another file has one after all.
///
/// # Errors
/// It cannot be deleted.
pub fn remove(transaction: &mut Transaction<'_>) -> Result<(), Problem> {
    all(transaction.host()).iter().try_for_each(|path| transaction.remove(path))
}

/// Our files for the server, wherever nginx included them before.
fn all(host: &Host) -> Vec<PathBuf> {
    let usual = [PLAIN, ENABLED].map(|directory| host.path(directory).join(NGINX_DEFAULT));
    let mut paths: Vec<PathBuf> = usual.into_iter().chain([place::shared(host, NGINX_DEFAULT)]).collect();
    paths.dedup();
    paths.retain(|path| files::read(path, MAX_FILE).is_ok_and(|text| text.starts_with(MARK.trim_end().as_bytes())));
    paths
}

impl Surroundings {
    fn read(host: &Host) -> Self {
        let mut surroundings = Self::default();
        for path in Included::read(host).files() {
            surroundings.add(&path);
        }
        surroundings
    }

    fn add(&mut self, path: &Path) {
        let text = files::read(path, MAX_FILE).unwrap_or_default();
        if text.starts_with(MARK.as_bytes()) {
            let is_site = text.get(MARK.len()) == Some(&b'{');
            self.has_sites |= is_site;
            self.has_certificates |= is_site && !self.has_certificates && contains(&text, b"listen 443 ssl");
        } else if contains(&text, b"default") {
            let found = listen::listens(&directives::parse(&text)).into_iter().filter(|listen| listen.is_default);
            self.taken.extend(found.map(|listen| (listen.address, listen.port)));
        }
    }

    fn is_free(&self, address: &str, port: u16) -> bool {
        !self.taken.iter().any(|(taken, on)| taken == address && *on == port)
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// The file; none if it is not needed.
fn text(host: &Host, surroundings: &Surroundings, rejects: bool) -> Option<String> {
    let listens = |port: u16, options: &str| -> String {
        let addresses = [("*", String::new(), true), ("[::]", "[::]:".to_owned(), has_ipv6())];
        let free = addresses.iter().filter(|(address, _, exists)| *exists && surroundings.is_free(address, port));
        free.map(|(_, prefix, _)| format!("    listen {prefix}{port}{options} default_server;\n")).collect()
    };
    let name = "    server_name opterius-default.invalid;\n    access_log off;\n";
    let mut servers = String::new();
    let plain = listens(80, "");
    if !plain.is_empty() {
        servers.push_str(&format!(
            "server {{\n{plain}{name}    location ^~ /.well-known/acme-challenge/ {{\n        root \"{}\";\n        \
             default_type text/plain;\n    }}\n    location / {{\n        return 444;\n    }}\n}}\n",
            host.path(WEBROOT).display()
        ));
    }
    let encrypted = if rejects { listens(443, " ssl http2") } else { String::new() };
    if !encrypted.is_empty() {
        let tls: String = TLS.iter().map(|(name, value)| format!("    {name} {value};\n")).collect();
        servers.push_str(&format!("server {{\n{encrypted}{name}    ssl_reject_handshake on;\n{tls}}}\n"));
    }
    let head = format!(
        "{MARK}answers for names that no site has\n# The Agent creates, changes and deletes this file. It leaves out addresses for \
         which another file has a default_server.\n"
    );
    (surroundings.has_sites && !servers.is_empty()).then(|| head + &servers)
}

/// Whether the installed nginx can refuse a handshake; an older one shows the first site's certificate.
fn rejects_handshakes(deadline: Deadline) -> bool {
    let output = Tool::named("nginx").and_then(|tool| tool.arg("-v").run(deadline));
    output.is_ok_and(|output| version(&output.stderr).is_some_and(|version| version >= REJECTS_HANDSHAKES))
}

fn version(text: &str) -> Option<[u32; 3]> {
    let (_, version) = text.split_once("nginx/")?;
    let mut parts = version.split(|letter: char| !letter.is_ascii_digit()).map(|part| part.parse().ok());
    Some([parts.next()??, parts.next()??, parts.next()??])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    #[test]
    fn it_comes_and_goes_with_those_of_others() {
        let tree = Tree::new();
        let site = format!("{MARK}{{\"domain\":\"a.example\"}}\nserver {{ listen 80; }}\n");
        let shown = || {
            let surroundings = Surroundings::read(&tree.host);
            text(&tree.host, &surroundings, surroundings.has_certificates).unwrap_or_default().replace("[::]:", "6:")
        };
        assert_eq!(shown(), "");
        tree.write("/etc/nginx/sites-enabled/a.example.conf", &site);
        assert!(shown().contains("listen 80 default_server") && !shown().contains("443"), "{}", shown());
        tree.write("/etc/nginx/sites-enabled/b.example.conf", site.replace("80;", "443 ssl http2;"));
        assert!(shown().contains("listen 443 ssl http2 default_server") && shown().contains("ssl_reject_handshake"));
        let foreign = "# default\nserver { listen 80 default_server; listen 203.0.113.5:443 default_server ssl; }";
        tree.write("/etc/nginx/sites-enabled/foreign.conf", foreign);
        let text = shown();
        assert!(!text.contains("listen 80 default") && text.contains("listen 443"), "{text}");
        assert_eq!(text.contains("listen 6:80 default_server"), has_ipv6());
        tree.write("/etc/nginx/sites-enabled/foreign.conf", "server { listen *:443 ssl default_server; }");
        assert!(!shown().contains("listen 443") && shown().contains("listen 80"));
    }

    #[test]
    fn versions_are_compared_by_number() {
        for (text, expected) in [
            ("nginx version: nginx/1.22.1\n", Some([1, 22, 1])),
            ("nginx version: nginx/1.18.0 (Ubuntu)\n", Some([1, 18, 0])),
            ("nginx version: openresty/1.21.4.1\n", None),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
        assert!([1, 9, 15] < REJECTS_HANDSHAKES && [1, 22, 1] > REJECTS_HANDSHAKES);
    }
}
