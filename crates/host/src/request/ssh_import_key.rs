//! `/ssh/import-key`: lets the owner of a key log in as an account.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::ssh_key::{self, PublicKeyLine};
use crate::request::values::Username;
use opterius_base::secret::Secret;

/// Imports an SSH key.
#[derive(Serialize)]
pub struct ImportKey {
    /// The account.
    pub username: Username,
    /// The key that can log in.
    pub public_key: PublicKeyLine,
    /// Its private key, with which the account can log in elsewhere.
    #[serde(serialize_with = "ssh_key::exposed")]
    pub private_key: Option<Secret>,
}

impl Operation for ImportKey {
    const PATHS: &'static [&'static str] = &["/ssh/import-key"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self {
            username: fields.username()?,
            public_key: PublicKeyLine::parse("public_key", fields.text("public_key")?)?,
            private_key: ssh_key::private_key(fields)?,
        })
    }
}
