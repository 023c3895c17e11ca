//! Databases and users of MariaDB.

use std::fs::File;
use std::os::fd::OwnedFd;

use crate::servers::database_server::{DatabaseServer, DatabaseUser, Engine, counted};
use crate::servers::mariadb::client::{MariaDb, pattern};
use crate::servers::mariadb::confinement::{TaskUser, drop_user, identified, staging};
use crate::servers::mariadb::description::from_hex;
use crate::servers::mariadb::dump_file::Dump;
use crate::servers::mariadb::exclusion::kept_out;
use opterius_base::secret::Secret;
use opterius_host::problem::Problem;
use opterius_host::request::prefixed_name::{ClientHost, PrefixedName};

/// A user as MariaDB writes it.
fn quoted(user: &DatabaseUser) -> String {
    format!("'{}'@'{}'", user.name, host(user))
}

fn host(user: &DatabaseUser) -> &'static str {
    user.host.unwrap_or(ClientHost::Local).as_str()
}

fn names(users: &[DatabaseUser]) -> String {
    users.iter().map(|user| format!("'{}'", user.name)).collect::<Vec<_>>().join(",")
}

impl DatabaseServer for MariaDb {
    fn engine(&self) -> Engine {
        Engine::MariaDb
    }

    fn has_database(&self, database: &PrefixedName) -> Result<bool, Problem> {
        let query =
            format!("SELECT 1 FROM information_schema.SCHEMATA WHERE BINARY SCHEMA_NAME = BINARY '{database}';\n");
        Ok(!self.rows(&query)?.is_empty())
    }

    fn strangers(&self, database: &PrefixedName, others: &[&str]) -> Result<Vec<String>, Problem> {
        let rows = self.rows(&format!("SELECT DISTINCT HEX(User) FROM mysql.db WHERE '{database}' LIKE Db;\n"))?;
        let known = |name: &PrefixedName| name.accounts().any(|account| others.contains(&account.as_str()));
        let users = rows.iter().flatten().map(|digits| from_hex(digits));
        let mut strangers = Vec::new();
        for user in users {
            let is_of_other = DatabaseUser::parse(&user).is_some_and(|user| known(&user.name));
            if user.is_empty() || user == "PUBLIC" || is_of_other {
                strangers.push(if user.is_empty() { "anyone".to_owned() } else { user });
            }
        }
        Ok(strangers)
    }

    fn create_database(&self, database: &PrefixedName) -> Result<(), Problem> {
        self.run(&format!("CREATE DATABASE IF NOT EXISTS `{database}` CHARACTER SET utf8mb4;\n")).map(drop)
    }

    fn drop_database(&self, database: &PrefixedName) -> Result<(), Problem> {
        self.let_in(database)?;
        let escaped = pattern(database.as_str()).replace('\\', "\\\\");
        let query = format!(
            "SELECT User, Host, Db = '{escaped}' FROM mysql.db WHERE Db IN ('{escaped}', '{database}') AND User REGEXP \
             '^[A-Za-z0-9_-]+$' AND Host REGEXP '^[A-Za-z0-9.:%_-]+$';\n"
        );
        // MariaDB keeps the privileges of a deleted database for the next one of its name. And who has none cannot open again
        // what is about to be deleted.
        let mut statements = format!(
            "DROP DATABASE IF EXISTS `{}`;\n{}",
            staging(database),
            TaskUser::ALL.map(|user| drop_user(&user.of(database))).concat()
        );
        for row in self.rows(&query)? {
            let [user, host, is_escaped] = row.as_slice() else { continue };
            let database = if is_escaped == "1" { pattern(database.as_str()) } else { database.to_string() };
            for privileges in ["GRANT OPTION", "ALL PRIVILEGES"] {
                statements.push_str(&format!("REVOKE {privileges} ON `{database}`.* FROM '{user}'@'{host}';\n"));
            }
            // A transaction that goes on would keep its tables.
            statements.push_str(&format!("KILL HARD USER '{user}';\n"));
        }
        self.run(&statements)?;
        self.require_idle(database)?;
        self.run(&format!("DROP DATABASE IF EXISTS `{database}`;\n")).map(drop)
    }

    fn dump(&self, database: &PrefixedName, output: OwnedFd) -> Result<(), Problem> {
        self.write_dump(database, File::from(output))
    }

    fn restore(&self, database: &PrefixedName, dump: OwnedFd) -> Result<(), Problem> {
        self.read_dump(database, &Dump::open(dump)?)
    }

    fn has_user(&self, user: &DatabaseUser) -> Result<bool, Problem> {
        let (name, host) = (&user.name, host(user));
        let rows =
            self.rows(&format!("SELECT 1 FROM mysql.global_priv WHERE User = '{name}' AND Host = '{host}';\n"))?;
        Ok(!rows.is_empty())
    }

    fn create_user(
        &self,
        user: &DatabaseUser,
        password: &Secret,
        database: &PrefixedName,
        locked: bool,
    ) -> Result<(), Problem> {
        let user = quoted(user);
        let rest = format!("{} ACCOUNT {}", identified(password), if locked { "LOCK" } else { "UNLOCK" });
        let database = pattern(database.as_str());
        self.run(&format!(
            "CREATE USER IF NOT EXISTS {user} {rest};\nALTER USER {user} {rest};\nGRANT ALL PRIVILEGES ON `{database}`.* TO \
             {user};\n"
        ))
        .map(drop)
    }

    fn can_use(&self, user: &DatabaseUser, database: &PrefixedName) -> Result<bool, Problem> {
        let (name, host) = (&user.name, host(user));
        let database = pattern(database.as_str()).replace('\\', "\\\\");
        let rows = self.rows(&format!(
            "SELECT 1 FROM mysql.db WHERE User = '{name}' AND Host = '{host}' AND Db = '{database}' AND Select_priv = 'Y' \
             AND Create_priv = 'Y' AND Grant_priv = 'N';\n"
        ))?;
        Ok(!rows.is_empty())
    }

    fn set_password(&self, user: &DatabaseUser, password: &Secret) -> Result<(), Problem> {
        self.run(&format!("ALTER USER {} {};\n", quoted(user), identified(password))).map(drop)
    }

    fn drop_user(&self, user: &DatabaseUser) -> Result<(), Problem> {
        // MariaDB lets the sessions of a deleted user go on. An interrupted restoration has left privileges.
        self.run(&format!(
            "DELETE FROM mysql.db WHERE User = '{}' AND Host = '{}';\nDROP USER IF EXISTS {};\nKILL HARD USER '{}';\n",
            kept_out(&user.name),
            host(user),
            quoted(user),
            user.name
        ))
        .map(drop)
    }

    fn unlocked(&self, users: &[DatabaseUser]) -> Result<Vec<DatabaseUser>, Problem> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.rows(&format!(
            "SELECT User, Host FROM mysql.global_priv WHERE User IN ({}) AND Host IN ('localhost', '%') AND \
             COALESCE(JSON_EXTRACT(Priv, '$.account_locked'), 'false') <> 'true';\n",
            names(users)
        ))?;
        let is_there = |user: &&DatabaseUser| {
            rows.iter().any(|row| row.as_slice() == [user.name.as_str(), host(user)].map(str::to_owned))
        };
        Ok(users.iter().filter(is_there).cloned().collect())
    }

    fn set_locked(&self, users: &[DatabaseUser], locked: bool) -> Result<(), Problem> {
        let lock = if locked { "LOCK" } else { "UNLOCK" };
        let statement = |user| format!("ALTER USER IF EXISTS {} ACCOUNT {lock};\n", quoted(user));
        let statements: String = users.iter().map(statement).collect();
        if statements.is_empty() { Ok(()) } else { self.run(&statements).map(drop) }
    }

    fn disconnect(&self, users: &[DatabaseUser]) -> Result<u64, Problem> {
        if users.is_empty() {
            return Ok(0);
        }
        let rows = self.rows(&format!(
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER IN ({});\n",
            names(users)
        ))?;
        let count = counted(&rows);
        if count > 0 {
            let kill = |user: &DatabaseUser| format!("KILL HARD USER '{}';\n", user.name);
            self.run(&users.iter().map(kill).collect::<String>())?;
        }
        Ok(count)
    }
}
