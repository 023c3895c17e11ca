//! `/account/delete`: deletes an account and everything that belongs to it.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::Username;

/// Deletes an account. The Panel also sends `domains`; the Agent knows the account's sites itself.
#[derive(Serialize)]
pub struct DeleteAccount {
    /// The account.
    pub username: Username,
}

impl Operation for DeleteAccount {
    const PATHS: &'static [&'static str] = &["/account/delete"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self { username: fields.username()? })
    }
}
