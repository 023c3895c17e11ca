//! Dumping a database. The format is `pg_dump`'s own, because nothing in it is a command of a client: `psql`, which runs dumps
//! in SQL, has commands that run programs.

use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::servers::database_server::DatabaseServer;
use crate::servers::postgresql::client::Postgresql;
use opterius_base::deadline::Deadline;
use opterius_host::problem::Problem;
use opterius_host::request::prefixed_name::PrefixedName;

/// The time for cleaning up, also after the deadline.
const CLEANUP: Duration = Duration::from_secs(15);

/// Options of a dump. Owners and privileges name roles, which might be gone when it is restored.
const OPTIONS: [&str; 9] = [
    "--format=custom",
    // A backup is compressed as a whole.
    "--compress=0",
    "--no-owner",
    "--no-privileges",
    "--no-tablespaces",
    "--no-publications",
    "--no-subscriptions",
    "--no-security-labels",
    "--lock-wait-timeout=20s",
];

impl Postgresql {
    pub(super) fn write_dump(&self, database: &PrefixedName, output: OwnedFd) -> Result<(), Problem> {
        self.require_database(database)?;
        let login = self.create_login(database)?;
        let written = self
            .run_as(&login, "pg_dump", |tool| tool.args(OPTIONS).arg(format!("--dbname={database}")).output_to(output));
        written.and(self.cleanup().drop_login(database))
    }

    /// The same server, with time for cleaning up.
    pub(super) fn cleanup(&self) -> Self {
        Self { deadline: self.deadline.max(Deadline::within(CLEANUP)), server: self.server }
    }
}
