//! `/ssh/delete-key`: removes a key with which an account can log in.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::ssh_key::Fingerprint;
use crate::request::values::Username;

/// Deletes an SSH key.
#[derive(Serialize)]
pub struct DeleteKey {
    /// The account.
    pub username: Username,
    /// Which key.
    pub fingerprint: Fingerprint,
}

impl Operation for DeleteKey {
    const PATHS: &'static [&'static str] = &["/ssh/delete-key"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let fingerprint = Fingerprint::parse("fingerprint", fields.text("fingerprint")?)?;
        Ok(Self { username: fields.username()?, fingerprint })
    }
}
