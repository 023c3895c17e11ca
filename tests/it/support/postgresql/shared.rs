//! One cluster for all tests of a process that need a database but never stop its server, and a database for each.

use super::ROLE;
use super::cluster::Cluster;
use super::psql;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The cluster. It does not survive a power failure, which makes it faster; it ends with the process.
pub fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(|| Cluster::builder().set("fsync", "off").set("max_connections", "500").start())
}

/// A database in the shared cluster, deleted when dropped.
pub struct ScratchDatabase {
    name: String,
}

impl ScratchDatabase {
    /// A new database as a copy of `template`; `template0` is empty.
    pub fn copy_of(template: &str) -> ScratchDatabase {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("scratch_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        shared().create_database(&name, template);
        ScratchDatabase { name }
    }

    pub fn empty() -> ScratchDatabase {
        ScratchDatabase::copy_of("template0")
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address over the Unix socket, as [`ROLE`].
    pub fn uri(&self) -> String {
        shared().uri_of(&self.name)
    }

    /// Runs SQL as the superuser, past all checks.
    pub fn psql(&self, sql: &str) -> String {
        shared().psql_in(&self.name, sql)
    }

    /// All of its contents as SQL.
    pub fn dump(&self) -> String {
        psql::dump(&shared().address(), &self.name)
    }

    /// Runs a file of SQL as [`ROLE`].
    pub fn apply(&self, sql: &str) {
        shared().psql_in(&self.name, &format!("SET SESSION AUTHORIZATION {ROLE};\n{sql}"));
    }
}

impl Drop for ScratchDatabase {
    fn drop(&mut self) {
        shared().drop_database(&self.name);
    }
}
