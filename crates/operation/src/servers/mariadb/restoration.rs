//! Restoring a database from a dump: first into a database of ours, where it is tried, and then again in place of the old
//! content, while the database's users are kept out. Moving the tables over instead would leave out views and triggers, which
//! MariaDB does not move.

use std::io;
use std::thread;

use crate::servers::confined::random_password;
use crate::servers::database_server::DatabaseUser;
use crate::servers::mariadb::client::{LOCK_TIME, MAX_MESSAGE, MariaDb, pattern, problem};
use crate::servers::mariadb::confinement::{TaskUser, client, create_user, drop_user, grant_all, staging};
use crate::servers::mariadb::dump_file::{Dump, copy};
use opterius_base::secret::Secret;
use opterius_base::text::one_line;
use opterius_host::problem::Problem;
use opterius_host::request::prefixed_name::PrefixedName;
use opterius_host::tool::Output;

/// Options of the client that runs a dump: no commands of its own, no files of this host.
const OPTIONS: [&str; 11] = [
    "--batch",
    "--binary-mode",
    // Bodies of routines contain some.
    "--comments",
    // Older clients have no such option.
    "--loose-sandbox",
    "--loose-skip-print-query-on-error",
    "--skip-auto-rehash",
    "--skip-reconnect",
    "--skip-local-infile",
    "--skip-pager",
    "--max-allowed-packet=1G",
    "--connect-timeout=10",
];

impl MariaDb {
    pub(super) fn read_dump(&self, database: &PrefixedName, dump: &Dump) -> Result<(), Problem> {
        let password = random_password()?;
        self.let_in(database)?;
        self.rehearse(database, dump, &password)?;
        let users = self.users_of(database)?;
        // Nobody writes into what is being restored.
        let replaced = self.shut_out(database, &users).and_then(|()| self.require_idle(database)).and_then(|()| {
            self.replace(database, dump, &users, &password).map_err(|problem| halfway(database, problem))
        });
        if replaced.is_err() {
            // The first problem says more than one of cleaning up.
            let _ = self.cleanup().run(&locked(&TaskUser::Owner.of(database)));
        }
        let let_in = self.cleanup().let_in(database);
        replaced.and(let_in)
    }

    /// Restores into a database of ours, which is deleted again.
    fn rehearse(&self, database: &PrefixedName, dump: &Dump, password: &Secret) -> Result<(), Problem> {
        let (owner, staging) = (TaskUser::Owner.of(database), staging(database));
        let is_new = !self.has_task_user(&owner)?;
        let began = self.deadline.left();
        let tried = self
            .run(&format!(
                "{}{}{}",
                created(&staging, dump),
                create_user(&owner, password),
                grant_all(&staging, &owner)
            ))
            .and_then(|_| self.load(dump, database, &staging, password))
            .and_then(|()| {
                // The second time takes as long as the first.
                let took = began.saturating_sub(self.deadline.left());
                if self.deadline.left() > took.saturating_mul(2) { Ok(()) } else { Err(too_long(database)) }
            });
        let revoke = format!(
            "DROP DATABASE IF EXISTS `{staging}`;\nREVOKE ALL PRIVILEGES ON `{}`.* FROM '{owner}'@'localhost';\n",
            pattern(&staging)
        );
        if tried.is_err() {
            let user = if is_new { drop_user(&owner) } else { locked(&owner) };
            // The first problem says more than one of cleaning up.
            let _ = self.cleanup().run(&(format!("KILL HARD USER '{owner}';\n") + &revoke + &user));
            return tried;
        }
        self.run(&revoke).map(drop)
    }

    /// Restores in place of the old content.
    fn replace(
        &self,
        database: &PrefixedName,
        dump: &Dump,
        users: &[DatabaseUser],
        password: &Secret,
    ) -> Result<(), Problem> {
        let owner = TaskUser::Owner.of(database);
        self.run(&(created(database.as_str(), dump) + &grant_all(database.as_str(), &owner)))?;
        self.load(dump, database, database.as_str(), password)?;
        self.settle(database, &owner, users.first())
    }

    /// Runs a dump as the owner in a database. Nothing of it is written to a file, or held in memory.
    fn load(&self, dump: &Dump, database: &PrefixedName, target: &str, password: &Secret) -> Result<(), Problem> {
        let failed = |error: io::Error| Problem::failed("The dump of the database cannot be read", error);
        let lines = dump.lines().map_err(failed)?;
        let (reader, writer) = io::pipe().map_err(failed)?;
        let (name, other) = (database.to_string(), target.to_owned());
        let feed = thread::Builder::new().spawn(move || copy(lines, writer, &name, &other)).map_err(failed)?;
        let limits = format!(
            "--init-command=SET SESSION lock_wait_timeout={LOCK_TIME}, max_statement_time={}",
            self.deadline.left().as_secs().max(1)
        );
        let output = client("mariadb", "mysql", &TaskUser::Owner.of(database), password)
            .and_then(|tool| tool.args(OPTIONS).args([&limits, target]).descriptor(reader.into()).run(self.deadline));
        // The other end of the pipe is closed by now, so this ends.
        let fed = feed.join().unwrap_or_else(|_| Err(io::Error::other("it was not read")));
        let output = output?;
        if output.is_success() { fed.map_err(failed) } else { Err(refused(database, &output)) }
    }

    /// Locks the owner, who stays only as the definer of what was restored. MariaDB shows the text of a routine to its definer
    /// alone, so routines go to a user of the account.
    fn settle(&self, database: &PrefixedName, owner: &str, user: Option<&DatabaseUser>) -> Result<(), Problem> {
        if let Some(user) = user {
            self.run(&format!(
                "UPDATE mysql.proc SET definer = '{user}' WHERE BINARY db = BINARY '{database}' AND definer = \
                 '{owner}@localhost';\n"
            ))?;
        }
        let defined = self.rows(&format!(
            "SELECT 1 FROM mysql.proc WHERE db = '{database}' AND definer = '{owner}@localhost' UNION SELECT 1 FROM mysql.event \
             WHERE db = '{database}' AND definer = '{owner}@localhost' UNION SELECT 1 FROM information_schema.TRIGGERS WHERE \
             TRIGGER_SCHEMA = '{database}' UNION SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{database}' \
             AND TABLE_TYPE = 'VIEW';\n"
        ))?;
        let user = if defined.is_empty() { drop_user(owner) } else { locked(owner) };
        self.run(&user).map(drop)
    }

    fn has_task_user(&self, name: &str) -> Result<bool, Problem> {
        let query = format!("SELECT 1 FROM mysql.global_priv WHERE User = '{name}' AND Host = 'localhost';\n");
        Ok(!self.rows(&query)?.is_empty())
    }

    /// The account's users of a database.
    fn users_of(&self, database: &PrefixedName) -> Result<Vec<DatabaseUser>, Problem> {
        let users = self.privileged(database)?;
        Ok(users.iter().filter_map(|(user, host)| DatabaseUser::parse(&format!("{user}@{host}"))).collect())
    }
}

/// Statements after which a database is there, and empty. Its privileges stay.
fn created(database: &str, dump: &Dump) -> String {
    format!(
        "DROP DATABASE IF EXISTS `{database}`;\nCREATE DATABASE `{database}` CHARACTER SET {} COLLATE {};\n",
        dump.characters.set, dump.characters.collation
    )
}

fn locked(user: &str) -> String {
    format!("ALTER USER '{user}'@'localhost' ACCOUNT LOCK;\nKILL HARD USER '{user}';\n")
}

/// The problem of a restoration that ended after the old content was deleted.
fn halfway(database: &PrefixedName, problem: Problem) -> Problem {
    let sentence = format!(
        "The old content of the database “{database}” is deleted, at least in part, and not yet restored. Restore the backup again."
    );
    match problem.after(&sentence) {
        Problem::Conflict(words) | Problem::NotFound(words) => Problem::Failed(words),
        problem => problem,
    }
}

fn too_long(database: &PrefixedName) -> Problem {
    Problem::TimedOut(format!(
        "The database “{database}” is too large to be restored in the time of one operation. It is unchanged."
    ))
}

/// The error for a dump that failed. A privilege that is missing in it is not one that the Agent needs.
fn refused(database: &PrefixedName, output: &Output) -> Problem {
    match problem(output) {
        Problem::Failed(_) | Problem::Unavailable(_) if output.stderr.contains(" at line ") => {
            Problem::Failed(format!(
                "The dump of the database “{database}” could not be restored. {} said: {}",
                output.name,
                one_line(&output.stderr, MAX_MESSAGE)
            ))
        }
        other => other,
    }
}
