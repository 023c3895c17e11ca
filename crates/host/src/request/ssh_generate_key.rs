//! `/ssh/generate-key`: generates a key with which an account can log in.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::ssh_key::{self, KeyType};
use crate::request::values::Username;

/// Generates an SSH key.
#[derive(Serialize)]
pub struct GenerateKey {
    /// The account.
    pub username: Username,
    /// The type of the key.
    pub key_type: KeyType,
    /// Its comment, which may be empty.
    pub comment: String,
}

impl Operation for GenerateKey {
    const PATHS: &'static [&'static str] = &["/ssh/generate-key"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let (username, key_type) = (fields.username()?, KeyType::parse(fields)?);
        Ok(Self { username, key_type, comment: ssh_key::comment(fields)? })
    }
}
