//! What MariaDB and PostgreSQL have in common: databases with an account's name in front, and users of them.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use opterius_base::secret::Secret;
use opterius_host::problem::Problem;
use opterius_host::request::prefixed_name::{ClientHost, MAX_MARIADB_USER, PrefixedName};
use opterius_host::users::register::{FIRST_UID, Register};

/// The two kinds of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// MariaDB.
    MariaDb,
    /// PostgreSQL.
    Postgresql,
}

impl Engine {
    /// Both.
    pub const ALL: [Self; 2] = [Self::MariaDb, Self::Postgresql];
}

impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::MariaDb => "MariaDB",
            Self::Postgresql => "PostgreSQL",
        })
    }
}

/// A user of databases.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DatabaseUser {
    /// The name.
    pub name: PrefixedName,
    /// From where the user connects; none for a role of PostgreSQL, whose own rules say so.
    pub host: Option<ClientHost>,
}

impl DatabaseUser {
    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, host) = match text.split_once('@') {
            Some((name, host)) => (name, Some(ClientHost::parse(Some(host)).ok()??)),
            None => (text, None),
        };
        Some(Self { name: PrefixedName::parse("username", name, MAX_MARIADB_USER).ok()?, host })
    }
}

impl fmt::Display for DatabaseUser {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name.as_str())?;
        self.host.map_or(Ok(()), |host| write!(formatter, "@{}", host.as_str()))
    }
}

/// A server that runs on this host. Each call ends at the deadline of the operation.
pub trait DatabaseServer {
    /// Which one it is.
    fn engine(&self) -> Engine;

    /// Whether it has this database.
    ///
    /// # Errors
    /// It does not answer.
    fn has_database(&self, database: &PrefixedName) -> Result<bool, Problem>;

    /// Checks that it has this database.
    ///
    /// # Errors
    /// It does not, or does not answer.
    fn require_database(&self, database: &PrefixedName) -> Result<(), Problem> {
        if self.has_database(database)? {
            return Ok(());
        }
        Err(Problem::NotFound(format!("{} has no database “{database}”.", self.engine())))
    }

    /// Users without an own name, or of these other accounts, who could use a new database of this name.
    ///
    /// # Errors
    /// It does not answer.
    fn strangers(&self, database: &PrefixedName, others: &[&str]) -> Result<Vec<String>, Problem>;

    /// Creates a database, or completes an interrupted creation.
    ///
    /// # Errors
    /// It refuses, or does not answer.
    fn create_database(&self, database: &PrefixedName) -> Result<(), Problem>;

    /// Deletes a database and the privileges for it, if it exists, and ends the connections to it.
    ///
    /// # Errors
    /// It refuses, or does not answer.
    fn drop_database(&self, database: &PrefixedName) -> Result<(), Problem>;

    /// Writes what is in a database to a file, as it was at one instant. Nothing that the database contains is run with more
    /// privileges than its own users have. An unfinished dump is an error.
    ///
    /// # Errors
    /// There is no such database, the server refuses, or it could not be done in time.
    fn dump(&self, database: &PrefixedName, output: OwnedFd) -> Result<(), Problem>;

    /// Replaces what is in a database by what is in a dump that [`Self::dump`] wrote to this regular file. Until all of it has
    /// been tried, the database stays as it is. Interrupted after that, a repeat completes it. Users keep their privileges.
    ///
    /// # Errors
    /// The dump is damaged, the server refuses, or it could not be done in time.
    fn restore(&self, database: &PrefixedName, dump: OwnedFd) -> Result<(), Problem>;

    /// Whether it has this user.
    ///
    /// # Errors
    /// It does not answer.
    fn has_user(&self, user: &DatabaseUser) -> Result<bool, Problem>;

    /// Creates a user who can use one database, or gives an existing one this password and database.
    ///
    /// # Errors
    /// It refuses, or does not answer.
    fn create_user(
        &self,
        user: &DatabaseUser,
        password: &Secret,
        database: &PrefixedName,
        locked: bool,
    ) -> Result<(), Problem>;

    /// Whether the user can use the database.
    ///
    /// # Errors
    /// It does not answer.
    fn can_use(&self, user: &DatabaseUser, database: &PrefixedName) -> Result<bool, Problem>;

    /// Sets a password.
    ///
    /// # Errors
    /// It refuses, or does not answer.
    fn set_password(&self, user: &DatabaseUser, password: &Secret) -> Result<(), Problem>;

    /// Deletes a user, if there is one.
    ///
    /// # Errors
    /// It refuses, or does not answer.
    fn drop_user(&self, user: &DatabaseUser) -> Result<(), Problem>;

    /// Which of these users exist and can log in.
    ///
    /// # Errors
    /// It does not answer.
    fn unlocked(&self, users: &[DatabaseUser]) -> Result<Vec<DatabaseUser>, Problem>;

    /// Locks or unlocks those of these users who exist.
    ///
    /// # Errors
    /// It refuses, or does not answer.
    fn set_locked(&self, users: &[DatabaseUser], locked: bool) -> Result<(), Problem>;

    /// Ends the connections of these users; returns how many there were.
    ///
    /// # Errors
    /// It does not answer.
    fn disconnect(&self, users: &[DatabaseUser]) -> Result<u64, Problem>;
}

/// The number that is the only value of a query; 0 if it is none.
pub fn counted(rows: &[Vec<String>]) -> u64 {
    rows.iter().flatten().next().and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// Checks that a server's own user, or root, listens on its socket.
///
/// # Errors
/// Nothing listens there, or another user.
pub fn check_socket(path: &Path, user: &str, register: &Register, start: &str) -> Result<(), Problem> {
    let shown = path.display();
    let uid = peer(path).map_err(|error| match error {
        Errno::NOENT | Errno::CONNREFUSED => Problem::Unavailable(start.to_owned()),
        error => Problem::Unavailable(format!("The server at {shown} does not answer ({error}). {start}")),
    })?;
    let is_own = |name: &str| register.user(name).is_some_and(|found| found.uid == uid && uid < FIRST_UID);
    if uid == 0 || is_own(user) {
        return Ok(());
    }
    Err(Problem::Unavailable(format!(
        "User {uid} listens at {shown}, and not “{user}”, so the Agent does not use this server. Find the process with: ss -xlp"
    )))
}

/// The uid of the process that listens there.
fn peer(path: &Path) -> Result<u32, Errno> {
    // Without NONBLOCK, a server that takes no connections would hold us.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket: OwnedFd = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket_peercred(&socket)?.uid.as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_user_is_read_as_it_was_written() {
        for text in ["alice_u@localhost", "alice_u@%", "alice_u"] {
            assert_eq!(DatabaseUser::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "root@localhost", "alice_u@192.0.2.1", "alice_u@", "alice'u@%", "mysql.sys"] {
            assert_eq!(DatabaseUser::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_socket_must_be_the_servers_own() {
        let directory = std::env::temp_dir().join(format!("opterius-socket-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("s");
        let _ = std::fs::remove_file(&path);
        let uid = rustix::process::geteuid().as_raw();
        let register = |uid: u32| Register::parse(format!("mysql:x:{uid}:1::/:/bin/false\n"), "");
        let message = |register: &Register| check_socket(&path, "mysql", register, "Start it.").unwrap_err().message();
        assert_eq!(message(&register(uid)), "Start it.");
        let listener = UnixListener::bind(&path).unwrap();
        if uid == 0 {
            assert_eq!(check_socket(&path, "mysql", &register(27), "Start it."), Ok(()));
        } else {
            assert!(message(&register(uid)).contains("listens"), "ordinary users are no servers");
        }
        drop(listener);
        assert_eq!(message(&register(uid)), "Start it.");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
