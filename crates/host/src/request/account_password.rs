//! `/account/password`: sets an account's password.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::{self, Username, exposed};
use opterius_base::secret::Secret;

/// Sets a password.
#[derive(Serialize)]
pub struct SetPassword {
    /// The account.
    pub username: Username,
    /// The password.
    #[serde(serialize_with = "exposed")]
    pub password: Secret,
}

impl Operation for SetPassword {
    const PATHS: &'static [&'static str] = &["/account/password"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let password = values::password("password", fields.text("password")?)?;
        Ok(Self { username: fields.username()?, password })
    }
}
