//! The servers that nginx's configuration defines, in all files that it includes, except those in the site files of the Agent.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::host::{Acme, Host};
use crate::nginx::directives::{self, Directive};
use crate::nginx::included::{MAIN, expanded};
use crate::request::values::Domain;
use crate::sites::mark;
use opterius_base::files;

/// Where relative paths in nginx's files start.
const DIRECTORY: &str = "/etc/nginx";

/// What the main file includes on Debian. A host that is a directory tree can have none.
const INCLUDED: [&str; 2] = ["/etc/nginx/sites-enabled/*", "/etc/nginx/conf.d/*.conf"];

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// The most files that are read by their own names, and the deepest nesting of includes.
const MAX_FILES: usize = 50_000;
const MAX_DEPTH: usize = 16;

/// How often files may include themselves. nginx rejects a configuration in which one does.
const MAX_LOOPS: usize = 100;

/// The files that include each other, from the main one to the current one.
#[derive(Default)]
struct Chain {
    files: Vec<PathBuf>,
    loops: usize,
}

/// A server of someone else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// The file where it is defined, by the path that includes it.
    pub file: PathBuf,
    /// The line where it starts.
    pub line: usize,
    /// Its names, as written.
    pub names: Vec<String>,
    /// Its document root and the aliases next to it.
    pub roots: Vec<String>,
    /// The document roots and aliases of its locations.
    pub location_roots: Vec<String>,
    /// The directives that say where it listens, and with which certificate.
    pub listening: Vec<Vec<String>>,
}

/// The servers of all files.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// The servers, in nginx's order.
    pub servers: Vec<Server>,
    /// Included files that cannot be read.
    pub unreadable: Vec<PathBuf>,
    files: usize,
}

/// The part of our mark that says whose file it is.
#[derive(Deserialize)]
struct Marked {
    domain: Domain,
}

impl Configuration {
    /// Reads the configuration of a host.
    pub fn read(host: &Host) -> Self {
        let mut configuration = Self::default();
        if host.path(MAIN).is_file() {
            configuration.file(host, &host.path(MAIN), &mut Chain::default());
        } else {
            for pattern in INCLUDED {
                configuration.include(host, pattern, &mut Chain::default());
            }
        }
        configuration
    }

    /// The servers in one file, without those that it includes.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut configuration = Self { files: MAX_FILES, ..Self::default() };
        let nowhere =
            Host::new(PathBuf::from("/nonexistent"), Acme { server: String::new(), authority: None }, PathBuf::new());
        let mut chain = Chain { loops: MAX_LOOPS, ..Chain::default() };
        configuration.http(&nowhere, Path::new(""), &directives::parse(bytes), &mut chain);
        configuration
    }

    fn include(&mut self, host: &Host, pattern: &str, chain: &mut Chain) {
        for path in included(host, pattern) {
            self.file(host, &path, chain);
        }
    }

    fn file(&mut self, host: &Host, path: &Path, chain: &mut Chain) {
        self.files = self.files.saturating_add(1);
        if self.files > MAX_FILES || !chain.enter(path) {
            return;
        }
        match files::read(path, MAX_FILE) {
            Err(_) => self.unreadable.push(path.to_owned()),
            Ok(bytes) if is_ours(path, &bytes) => {}
            Ok(bytes) => self.http(host, path, &directives::parse(&bytes), chain),
        }
        chain.files.pop();
    }

    /// The directives of a file, which is included in `http` or contains it.
    fn http(&mut self, host: &Host, path: &Path, directives: &[Directive], chain: &mut Chain) {
        let mut server: Option<Server> = None;
        for directive in directives {
            let blocks: Vec<&str> = directive.blocks.iter().map(String::as_str).collect();
            let blocks = blocks.strip_prefix(&["http"]).unwrap_or(&blocks);
            match (blocks, directive.words.as_slice()) {
                ([], [name, patterns @ ..]) if name == "include" => {
                    for pattern in patterns {
                        self.include(host, pattern, chain);
                    }
                }
                ([], [name]) if name == "server" => {
                    self.servers.extend(server.take());
                    server = Some(Server { file: path.to_owned(), line: directive.line, ..Server::default() });
                }
                (["server", within @ ..], _) => {
                    if let Some(server) = &mut server {
                        server.add(host, directive, !within.is_empty(), chain);
                    }
                }
                _ => {}
            }
        }
        self.servers.extend(server);
    }
}

impl Server {
    fn add(&mut self, host: &Host, directive: &Directive, in_location: bool, chain: &mut Chain) {
        let parameters = directive.parameters();
        match directive.name() {
            "include" => {
                for path in parameters.iter().flat_map(|pattern| included(host, pattern)) {
                    if !chain.enter(&path) {
                        continue;
                    }
                    let bytes = files::read(&path, MAX_FILE).unwrap_or_default();
                    for directive in directives::parse(&bytes) {
                        let in_location = in_location || !directive.blocks.is_empty();
                        self.add(host, &directive, in_location, chain);
                    }
                    chain.files.pop();
                }
            }
            "server_name" if !in_location => self.names.extend(parameters.iter().cloned()),
            "root" | "alias" if in_location => self.location_roots.extend(parameters.first().cloned()),
            "root" | "alias" => self.roots.extend(parameters.first().cloned()),
            "listen" | "http2" | "http3" if !in_location => self.listening.push(directive.words.clone()),
            name if !in_location && name.starts_with("ssl_") => self.listening.push(directive.words.clone()),
            _ => {}
        }
    }
}

impl Chain {
    /// Adds a file, unless it includes itself, or too many do.
    fn enter(&mut self, path: &Path) -> bool {
        if self.loops >= MAX_LOOPS || self.files.len() > MAX_DEPTH {
            return false;
        }
        if self.files.iter().any(|known| known == path) {
            self.loops = self.loops.saturating_add(1);
            return false;
        }
        self.files.push(path.to_owned());
        true
    }
}

/// Whether the Agent wrote the file, and for the site of this name. A copy of such a file is someone else's.
fn is_ours(path: &Path, bytes: &[u8]) -> bool {
    let marked = mark::after(bytes).and_then(|json| serde_json::from_slice::<Marked>(json).ok());
    let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".conf"));
    marked.is_some_and(|marked| name == Some(marked.domain.as_str()))
}

/// The files that `include` reads, as glob(7) finds them, in alphabetical order.
fn included(host: &Host, pattern: &str) -> Vec<PathBuf> {
    expanded(&host.path(DIRECTORY).join(if pattern.starts_with('/') { host.path(pattern) } else { pattern.into() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn servers_are_found_in_all_included_files() {
        let root = std::env::temp_dir().join(format!("opterius-configuration-{}", std::process::id()));
        let host = Host::new(root.clone(), Acme { server: String::new(), authority: None }, PathBuf::new());
        let write = |path: &str, text: &str| {
            let path = host.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "/etc/nginx/nginx.conf",
            "events {}\nstream { server { listen 53; } }\nhttp {\n include vhosts/*/nginx.conf; include /etc/nginx/sites-enabled/*;\n server { server_name main.example; }\n}",
        );
        write(
            "/etc/nginx/vhosts/b/nginx.conf",
            "server {\n  server_name\n    B.example\n    *.b.example; include snippets/x;\n}",
        );
        write(
            "/etc/nginx/snippets/x",
            "listen 443 ssl; ssl_certificate /x.pem;\nroot /srv/x;\nlocation /y { alias /srv/y; }",
        );
        write("/etc/nginx/sites-enabled/panel", "server { server_name panel.example; }");
        write(
            "/etc/nginx/sites-enabled/own.example.conf",
            "# opterius-agent: {\"domain\":\"own.example\"}\nserver { server_name own.example; }",
        );
        write(
            "/etc/nginx/sites-enabled/copy.conf",
            "# opterius-agent: {\"domain\":\"own.example\"}\nserver { server_name copy.example; }",
        );
        write("/etc/nginx/conf.d/unused.conf", "server { server_name unused.example; }");
        let configuration = Configuration::read(&host);
        let names: Vec<String> = configuration.servers.iter().map(|server| server.names.join(" ")).collect();
        assert_eq!(names, ["B.example *.b.example", "copy.example", "panel.example", "main.example"]);
        let first = &configuration.servers[0];
        assert_eq!((first.roots.join(" "), first.location_roots.join(" ")), ("/srv/x".to_owned(), "/srv/y".to_owned()));
        assert_eq!((first.listening.len(), first.line), (2, 1));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn files_that_include_themselves_do_not_take_forever() {
        let root = std::env::temp_dir().join(format!("opterius-loop-{}", std::process::id()));
        let host = Host::new(root.clone(), Acme { server: String::new(), authority: None }, PathBuf::new());
        let directory = host.path("/etc/nginx/snippets");
        fs::create_dir_all(&directory).unwrap();
        for name in ["a", "b", "c", "d", "e", "f"] {
            fs::write(directory.join(name), "include snippets/*;\n".repeat(8)).unwrap();
        }
        let text = "http { include snippets/a; server { include snippets/a; server_name a.example; } }";
        fs::write(host.path("/etc/nginx/nginx.conf"), text).unwrap();
        assert_eq!(Configuration::read(&host).servers[0].names, ["a.example"]);
        fs::remove_dir_all(root).unwrap();
    }
}
