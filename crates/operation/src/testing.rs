//! A temporary directory tree that serves as a host in unit tests.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::perform::{Context, PassedFiles, Perform};
use opterius_base::deadline::Deadline;
use opterius_host::helper::protocol::Allowance;
use opterius_host::host::{Acme, Host};
use opterius_host::layout;
use opterius_host::problem::Problem;
use opterius_host::request::values::{Domain, Username};
use opterius_host::sites::mark::MARK;
use opterius_host::sites::site_record::{self, SiteRecord};
use opterius_host::tool::Tool;
use opterius_host::users::register::Register;
use serde_json::{Value, json};

/// A directory tree as a host. It is deleted when dropped.
pub(crate) struct Tree {
    pub(crate) host: Host,
}

impl Tree {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("opterius-operations-{}-{number}", std::process::id()));
        // An earlier process with the same pid may have left one.
        let _ = fs::remove_dir_all(&root);
        fs::create_dir(&root).unwrap();
        let acme = Acme { server: String::new(), authority: None };
        Self { host: Host::new(root, acme, PathBuf::new()) }
    }

    /// Performs an operation on it, without an account limit.
    pub(crate) fn perform(&self, operation: &impl Perform) -> Result<Value, Problem> {
        operation.perform(Context {
            host: &self.host,
            allowance: &Allowance::default(),
            deadline: soon(),
            files: &PassedFiles::default(),
        })
    }

    /// Writes a file, and creates its parent directories.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.host.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Creates a directory and its parents.
    pub(crate) fn directory(&self, path: &str) -> PathBuf {
        let path = self.host.path(path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// Creates the account alice with these sites.
    pub(crate) fn account(&self, domains: &[&str]) {
        self.write("/etc/passwd", "alice:x:1001:1001::/home/alice:/bin/bash\nbob:x:1002:1002::/home/bob:/bin/bash\n");
        self.write("/etc/group", "opterius-accounts:x:990:alice\n");
        self.directory(layout::PUBLISHED);
        for domain in domains {
            self.publish(domain, "alice");
        }
    }

    /// Creates the file and the record of a site that belongs to an account.
    pub(crate) fn publish(&self, domain: &str, username: &str) {
        let site = json!({
            "domain": domain, "username": username, "document_root": "x", "php_version": "8.2", "parent_domain": null,
            "created_at": "2026-05-01T12:00:00Z",
        });
        self.write(&format!("/etc/nginx/sites-available/{domain}.conf"), format!("{MARK}{site}\n"));
        site_record::publish(&self.host, &record_of(domain, username), &Register::default()).unwrap();
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.host.root());
    }
}

/// A tree with its own PowerDNS on SQLite (packages pdns-server, pdns-backend-sqlite3, sqlite3), where alice has example.com
/// and bob has example.org.
pub(crate) fn with_powerdns() -> Tree {
    let schema = fs::read_to_string("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql").unwrap();
    let tree = Tree::new();
    tree.account(&["example.com"]);
    tree.write("/etc/group", "opterius-accounts:x:990:alice,bob\n");
    tree.publish("example.org", "bob");
    sql(&tree, &schema);
    let database = tree.host.path("/pdns.sqlite3");
    tree.write("/etc/powerdns/pdns.conf", format!("launch=gsqlite3\ngsqlite3-database={}\n", database.display()));
    tree
}

/// Runs SQL on the database of [`with_powerdns`].
pub(crate) fn sql(tree: &Tree, text: &str) -> String {
    Tool::named("sqlite3").unwrap().arg(tree.host.path("/pdns.sqlite3")).input(text).succeed(soon()).unwrap().stdout
}

/// The record of a new site.
pub(crate) fn record_of(domain: &str, username: &str) -> SiteRecord {
    SiteRecord { managed: true, ..SiteRecord::new(named(domain), user(username)) }
}

pub(crate) fn named(domain: &str) -> Domain {
    Domain::parse("domain", domain).unwrap()
}

pub(crate) fn user(name: &str) -> Username {
    Username::parse("username", name).unwrap()
}

/// A deadline that no test should reach.
pub(crate) fn soon() -> Deadline {
    Deadline::within(Duration::from_secs(60))
}
