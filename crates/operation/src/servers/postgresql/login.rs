//! A role that can log in and exists for a dump or a restoration. A session of `postgres` could always return to being that
//! superuser, whatever role it has taken on, so what concerns a tenant's tables and the statements of a dump gets a session of
//! its own. Over the socket, Debian's PostgreSQL accepts no passwords; on the loopback address it does.

use std::fs;
use std::path::Path;

use crate::servers::confined::{confined, random_password};
use crate::servers::postgresql::client::{Postgresql, problem, string};
use crate::servers::postgresql::server::owner;
use crate::servers::postgresql::session::{MAINTENANCE, NO_LIBRARIES};
use opterius_base::secret::Secret;
use opterius_host::problem::Problem;
use opterius_host::request::prefixed_name::{MAX_POSTGRESQL_USER, PrefixedName};
use opterius_host::tool::Tool;

/// The kernel's table of TCP sockets.
const SOCKETS: &str = "/proc/net/tcp";

/// A role for one task.
pub(super) struct Login {
    /// The role's name.
    pub role: String,
    password: Secret,
}

/// The role's name. It has the length of the owner's, and the colon is in no name of an account's user.
pub(super) fn login(database: &PrefixedName) -> String {
    format!("{database}:login")
}

impl Postgresql {
    /// Creates the role. It can do what the users of the database can, and read and write tables with policies for rows as a
    /// whole, which these users could do after changing the tables.
    ///
    /// # Errors
    /// PostgreSQL refuses, or is not the one who listens on the loopback address.
    pub(super) fn create_login(&self, database: &PrefixedName) -> Result<Login, Problem> {
        self.check_listener()?;
        let (login, owner) = (Login { role: login(database), password: random_password()? }, owner(database));
        self.drop_login(database)?;
        let members = self.rows(&format!(
            "SELECT m.rolname FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member JOIN pg_roles o ON o.oid = a.roleid \
             WHERE o.rolname = {} AND NOT m.rolsuper;\n",
            string(&owner)
        ))?;
        let is_user = |name: &&String| PrefixedName::parse("username", name, MAX_POSTGRESQL_USER).is_ok();
        let roles = [owner].into_iter().chain(members.into_iter().flatten().filter(|name| is_user(&name)));
        let grants: String = roles.map(|role| format!("GRANT \"{role}\" TO \"{}\";\n", login.role)).collect();
        self.run(
            MAINTENANCE,
            &format!(
                "BEGIN;\nCREATE ROLE \"{}\" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION BYPASSRLS INHERIT PASSWORD \
                 {};\n{grants}COMMIT;\n",
                login.role,
                string(login.password.expose())
            ),
        )?;
        Ok(login)
    }

    /// Ends the sessions of the role, and deletes it with what belongs to it.
    pub(super) fn drop_login(&self, database: &PrefixedName) -> Result<(), Problem> {
        let role = login(database);
        self.rows(&format!(
            "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = {};\n",
            string(&role)
        ))?;
        self.drop_role(&role)
    }

    /// Runs a client as nobody, signed in as the role.
    pub(super) fn run_as(
        &self,
        login: &Login,
        client: &str,
        prepare: impl FnOnce(Tool) -> Tool,
    ) -> Result<(), Problem> {
        let tool = confined(client)?
            .args(["--no-password", "--host=127.0.0.1", "--port=5432"])
            .arg(format!("--username={}", login.role))
            .env("PGPASSWORD", login.password.expose())
            .env("PGCLIENTENCODING", "UTF8")
            .env("PGCONNECT_TIMEOUT", "10")
            .env("PGOPTIONS", format!("-c {NO_LIBRARIES}"));
        let output = prepare(tool).run(self.deadline)?;
        if output.is_success() {
            return Ok(());
        }
        if ["authentication failed", "no pg_hba.conf entry"].iter().any(|words| output.stderr.contains(words)) {
            return Err(Problem::Unavailable(format!(
                "PostgreSQL accepts no passwords at 127.0.0.1. Add this line to pg_hba.conf: host all all \
                 127.0.0.1/32 scram-sha-256 ({})",
                output.complaint()
            )));
        }
        Err(problem(&output))
    }

    /// Checks that PostgreSQL itself listens where we sign in, and not a tenant's program that waits for a dump.
    fn check_listener(&self) -> Result<(), Problem> {
        let table = fs::read(SOCKETS).map_err(|error| Problem::at(Path::new(SOCKETS), error))?;
        if self.server.is_some() && listener(&String::from_utf8_lossy(&table)) == self.server {
            return Ok(());
        }
        Err(Problem::Unavailable(
            "PostgreSQL does not listen at 127.0.0.1:5432, which dumps need. In postgresql.conf, it needs the line: \
             listen_addresses = 'localhost'"
                .to_owned(),
        ))
    }
}

/// The uid of who listens at 127.0.0.1:5432; the address itself comes before a wildcard, as in the kernel.
fn listener(table: &str) -> Option<u32> {
    let uid = |address: &str| {
        table.lines().skip(1).find_map(|line| {
            let mut fields = line.split_ascii_whitespace().skip(1);
            let is_listening = fields.next() == Some(address) && fields.nth(1) == Some("0A");
            if is_listening { fields.nth(3)?.parse().ok() } else { None }
        })
    };
    uid("0100007F:1538").or_else(|| uid("00000000:1538"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listener_is_found() {
        let line = |address: &str, state: &str, uid: u32| {
            format!(
                "   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000   {uid}        0 5 1 0 100\n"
            )
        };
        let table = |lines: &[String]| "  sl  local_address rem_address st\n".to_owned() + &lines.concat();
        assert_eq!(listener(&table(&[])), None);
        assert_eq!(listener(&table(&[line("0100007F:1538", "01", 5), line("0200007F:1538", "0A", 6)])), None);
        let both = [line("00000000:1538", "0A", 7), line("0100007F:1538", "0A", 8)];
        assert_eq!(listener(&table(&both)), Some(8));
        assert_eq!(listener(&table(&both[..1])), Some(7));
    }
}
