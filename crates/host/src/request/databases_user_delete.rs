//! `/databases/user-delete`: deletes a MariaDB user.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::prefixed_name::{ClientHost, MAX_MARIADB_USER, PrefixedName};

/// Deletes a user.
#[derive(Serialize)]
pub struct DeleteMariaDbUser {
    /// The user.
    pub username: PrefixedName,
    /// From where the user connects; none means all hosts that it has.
    pub host: Option<ClientHost>,
}

impl Operation for DeleteMariaDbUser {
    const PATHS: &'static [&'static str] = &["/databases/user-delete"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let host = ClientHost::parse(fields.optional_text("host")?)?;
        Ok(Self { username: PrefixedName::parse("username", fields.text("username")?, MAX_MARIADB_USER)?, host })
    }
}
