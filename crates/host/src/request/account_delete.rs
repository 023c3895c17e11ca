//! `/account/delete`: an account goes, with everything that it has.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::Username;

/// An account to be deleted.
#[derive(Serialize)]
pub struct DeleteAccount {
    /// The account.
    pub username: Username,
}

impl Operation for DeleteAccount {
    const PATHS: &'static [&'static str] = &["/account/delete"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        fields.domains("domains")?;
        Ok(Self { username: fields.username()? })
    }
}
