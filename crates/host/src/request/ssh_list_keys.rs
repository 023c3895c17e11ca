//! `/ssh/list-keys`: lists the keys with which an account can log in.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::Username;

/// Lists an account's SSH keys.
#[derive(Serialize)]
pub struct ListKeys {
    /// The account.
    pub username: Username,
}

impl Operation for ListKeys {
    const PATHS: &'static [&'static str] = &["/ssh/list-keys"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self { username: fields.username()? })
    }
}
