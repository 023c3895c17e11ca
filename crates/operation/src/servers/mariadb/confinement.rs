//! Users of MariaDB who exist for a dump or a restoration, and what they can do. A tenant's view or trigger can call a function
//! that runs with its caller's privileges, and a table can become a view at any moment: so neither root nor any user with
//! another database reads a tenant's tables, or runs a dump.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use crate::servers::confined::confined;
use crate::servers::mariadb::client::{SOCKET, installed, pattern};
use opterius_base::hex::hex;
use opterius_base::secret::Secret;
use opterius_host::problem::Problem;
use opterius_host::request::prefixed_name::PrefixedName;
use opterius_host::tool::Tool;

/// A user of ours. The colon is in no name of an account's user.
#[derive(Clone, Copy)]
pub(super) enum TaskUser {
    /// Reads tables, views, triggers and events.
    Dump,
    /// Reads routines, whose texts are in a table of the server's with those of all databases: so this one reads nothing else.
    Routines,
    /// Restores, and is then the locked definer of what was restored.
    Owner,
}

impl TaskUser {
    pub(super) const ALL: [Self; 3] = [Self::Dump, Self::Routines, Self::Owner];

    /// The user's name.
    pub(super) fn of(self, database: &PrefixedName) -> String {
        let role = match self {
            Self::Dump => "dump",
            Self::Routines => "routines",
            Self::Owner => "owner",
        };
        format!("{database}:{role}")
    }
}

/// The database in which a dump is tried. `NAME:new` would be too long for some names.
pub(super) fn staging(database: &PrefixedName) -> String {
    let digits = hex(digest(&SHA256, database.as_str().as_bytes()).as_ref());
    format!("opterius:{}", digits.get(..32).unwrap_or_default())
}

/// A statement that creates a user, or gives an existing one this password, and unlocks it.
pub(super) fn create_user(name: &str, password: &Secret) -> String {
    let rest = format!("'{name}'@'localhost' {} ACCOUNT UNLOCK;\n", identified(password));
    format!("CREATE USER IF NOT EXISTS {rest}ALTER USER {rest}")
}

/// Statements that delete a user of ours and end its sessions.
pub(super) fn drop_user(name: &str) -> String {
    format!("DROP USER IF EXISTS '{name}'@'localhost';\nKILL HARD USER '{name}';\n")
}

/// A statement that lets a user of ours use a database like an account's user.
pub(super) fn grant_all(database: &str, user: &str) -> String {
    format!("GRANT ALL PRIVILEGES ON `{}`.* TO '{user}'@'localhost';\n", pattern(database))
}

/// A client that runs as nobody and signs in as a user of ours.
pub(super) fn client(name: &'static str, older: &'static str, user: &str, password: &Secret) -> Result<Tool, Problem> {
    let tool = confined(installed(name, older))?.args(["--no-defaults", "--protocol=socket"]);
    let tool = tool.arg(format!("--socket={SOCKET}")).arg(format!("--user={user}"));
    Ok(tool.arg("--default-character-set=utf8mb4").env("MYSQL_PWD", password.expose()))
}

/// The hash that MariaDB stores of a password (`mysql_native_password`). It takes the hash as well, and so the password is in no
/// log of statements: MariaDB writes a password into its binary log as it comes.
pub(super) fn identified(password: &Secret) -> String {
    let sha1 = |bytes: &[u8]| digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes);
    let hash = hex(sha1(sha1(password.expose().as_bytes()).as_ref()).as_ref());
    format!("IDENTIFIED BY PASSWORD '*{}'", hash.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hashed_as_mariadb_does() {
        // SELECT PASSWORD('password')
        let expected = "IDENTIFIED BY PASSWORD '*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19'";
        assert_eq!(identified(&Secret::new("password".to_owned())), expected);
    }
}
