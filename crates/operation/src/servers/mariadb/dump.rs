//! Dumping a database.

use std::fs::File;
use std::time::Duration;

use crate::servers::confined::random_password;
use crate::servers::database_server::DatabaseServer;
use crate::servers::mariadb::client::{MariaDb, pattern};
use crate::servers::mariadb::confinement::{TaskUser, client, create_user, drop_user, grant_all};
use crate::servers::mariadb::dump_file::{self, Characters};
use opterius_base::deadline::Deadline;
use opterius_base::secret::Secret;
use opterius_host::problem::Problem;
use opterius_host::request::prefixed_name::PrefixedName;

/// The time for cleaning up, also after the deadline.
const CLEANUP: Duration = Duration::from_secs(10);

/// Options of all dumps. Comments contain names of tables, and some versions let a name end the comment.
const OPTIONS: [&str; 9] = [
    "--single-transaction",
    "--quick",
    "--skip-lock-tables",
    "--skip-add-locks",
    "--skip-comments",
    "--hex-blob",
    "--no-tablespaces",
    "--max-allowed-packet=1G",
    "--skip-dump-date",
];

impl MariaDb {
    pub(super) fn write_dump(&self, database: &PrefixedName, file: File) -> Result<(), Problem> {
        let characters = self.characters(database)?;
        // `mariadb-dump` has no time limit for locks.
        self.require_readable(database)?;
        let password = random_password()?;
        let (dump, routines) = (TaskUser::Dump.of(database), TaskUser::Routines.of(database));
        let users = format!(
            "{}{}{}{}GRANT EXECUTE ON `{}`.* TO '{routines}'@'localhost';\nGRANT SELECT ON mysql.proc TO \
             '{routines}'@'localhost';\n",
            drop_user(&routines),
            create_user(&dump, &password),
            create_user(&routines, &password),
            grant_all(database.as_str(), &dump),
            pattern(database.as_str()),
        );
        let failed = |error| Problem::failed("The dump of the database cannot be written", error);
        let written = self.run(&users).and_then(|_| {
            dump_file::begin(&file, &characters).map_err(failed)?;
            // Views can call routines, and the other way round nothing must exist.
            let only_routines = ["--routines", "--skip-triggers", "--no-data", "--no-create-info"];
            self.run_dump(&only_routines, &routines, &password, database, &file)?;
            self.run_dump(&["--triggers", "--events", "--skip-routines"], &dump, &password, database, &file)?;
            dump_file::end(&file).map_err(failed)
        });
        written.and(self.cleanup().run(&(drop_user(&dump) + &drop_user(&routines))).map(drop))
    }

    fn run_dump(
        &self,
        options: &[&str],
        user: &str,
        password: &Secret,
        database: &PrefixedName,
        file: &File,
    ) -> Result<(), Problem> {
        let failed = |error| Problem::failed("The dump of the database cannot be written", error);
        let tool = client("mariadb-dump", "mysqldump", user, password)?.args(OPTIONS).args(options);
        let tool = tool.arg("--").arg(database.as_str()).output_to(file.try_clone().map_err(failed)?.into());
        tool.succeed(self.deadline).map(drop)
    }

    fn characters(&self, database: &PrefixedName) -> Result<Characters, Problem> {
        self.require_database(database)?;
        let rows = self.rows(&format!(
            "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE BINARY \
             SCHEMA_NAME = BINARY '{database}';\n"
        ))?;
        let characters = match rows.first().map(Vec::as_slice) {
            Some([set, collation]) => Characters::new(set, collation),
            _ => None,
        };
        characters.ok_or_else(|| Problem::failure(format!("MariaDB does not say which characters “{database}” has")))
    }

    /// The same server, with time for cleaning up.
    pub(super) fn cleanup(&self) -> Self {
        Self { deadline: self.deadline.max(Deadline::within(CLEANUP)) }
    }
}
