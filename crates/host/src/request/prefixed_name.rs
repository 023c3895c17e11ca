//! Names of databases and of their users, which start with the account that they belong to: `alice_shop`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::request::values::Username;

/// The longest name of a MariaDB database.
pub const MAX_MARIADB_DATABASE: usize = 64;

/// The longest name of a user that every supported MariaDB stores.
pub const MAX_MARIADB_USER: usize = 80;

/// The longest name of a PostgreSQL database: PostgreSQL cuts names after 63 bytes, and the role that owns the database has
/// 6 more, `:owner`.
pub const MAX_POSTGRESQL_DATABASE: usize = 57;

/// The longest name of a PostgreSQL role.
pub const MAX_POSTGRESQL_USER: usize = 63;

/// A name of the form `ACCOUNT_REST`, of characters that mean nothing in SQL, in a pattern, or in a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct PrefixedName(String);

impl PrefixedName {
    /// Parses a name of at most `longest` characters.
    ///
    /// # Errors
    /// It has other characters or no account in front, or is too long.
    pub fn parse(field: &str, text: &str, longest: usize) -> Result<Self, Problem> {
        let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let name = Self(text.to_owned());
        if text.len() > longest || !text.bytes().all(is_sign) || name.accounts().next().is_none() {
            let rule = format!(
                "must be the account's username, an underscore and a name, such as alice_shop, of letters, digits, underscores \
                 and hyphens, and have at most {longest} characters"
            );
            return Err(Problem::invalid(field, rule));
        }
        Ok(name)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The usernames that it can start with, the shortest first: those of `joe_x_db` are `joe` and `joe_x`.
    pub fn accounts(&self) -> impl Iterator<Item = Username> + '_ {
        let ends = self.0.match_indices('_').map(|(at, _)| at);
        ends.filter_map(|at| {
            let (account, rest) = self.0.split_at_checked(at)?;
            if rest.len() > 1 { Username::parse("account", account).ok() } else { None }
        })
    }
}

impl TryFrom<String> for PrefixedName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse("name", &text, MAX_MARIADB_USER).map_err(|problem| problem.message())
    }
}

impl fmt::Display for PrefixedName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// From where a MariaDB user may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum ClientHost {
    /// This machine.
    #[serde(rename = "localhost")]
    Local,
    /// Any host.
    #[serde(rename = "%")]
    Any,
}

impl ClientHost {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Local, Self::Any];

    /// How MariaDB writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "localhost",
            Self::Any => "%",
        }
    }

    /// Parses the optional field `host`; none if it is missing, null or empty.
    ///
    /// # Errors
    /// It is neither `localhost` nor `%`.
    pub fn parse(text: Option<&str>) -> Result<Option<Self>, Problem> {
        match text {
            None => Ok(None),
            Some(text) => match Self::ALL.into_iter().find(|host| host.as_str() == text) {
                Some(host) => Ok(Some(host)),
                None => Err(Problem::invalid("host", "must be one of: localhost, %")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<PrefixedName, Problem> {
        PrefixedName::parse("name", text, MAX_MARIADB_DATABASE)
    }

    #[test]
    fn a_name_starts_with_an_account() {
        let accounts = |text: &str| parsed(text).unwrap().accounts().map(|name| name.to_string()).collect::<Vec<_>>();
        assert_eq!(accounts("alice_shop"), ["alice"]);
        assert_eq!(accounts("joe_x_db"), ["joe", "joe_x"]);
        assert_eq!(accounts("my-user_Shop-2"), ["my-user"]);
        assert_eq!(accounts("_a_b"), ["_a"]);
        assert_eq!(accounts("a__b"), ["a", "a_"]);
    }

    #[test]
    fn other_names_are_refused() {
        let (long, longest) = ("a_".to_owned() + &"b".repeat(63), "a_".to_owned() + &"b".repeat(62));
        assert!(parsed(&longest).is_ok());
        for text in [
            "",
            "_",
            "alice",
            "alice_",
            "_shop",
            "Alice_shop",
            "1a_shop",
            "-a_shop",
            "mysql",
            "a_b c",
            "a_b'",
            "a_b`",
            "a_b\"",
            "a_b\\",
            "a_b%",
            "a_b;",
            "a_b\n",
            "a_b\0",
            "a_b.c",
            "a_b/c",
            "a_bü",
            "a_b:owner",
            "a_b@c",
            &long,
        ] {
            let refused = parsed(text).unwrap_err();
            assert!(matches!(&refused, Problem::Invalid { field, .. } if field == "name"), "{text:?}: {refused:?}");
        }
    }

    #[test]
    fn a_user_connects_from_this_machine_or_from_anywhere() {
        assert_eq!(ClientHost::parse(None), Ok(None));
        assert_eq!(ClientHost::parse(Some("%")), Ok(Some(ClientHost::Any)));
        assert_eq!(ClientHost::parse(Some("localhost")), Ok(Some(ClientHost::Local)));
        for text in ["%%", "192.0.2.%", "127.0.0.1", "LOCALHOST", "_", "localhost'"] {
            assert!(ClientHost::parse(Some(text)).is_err(), "{text}");
        }
    }
}
