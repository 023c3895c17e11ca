//! `/ssh/toggle-shell`: gives an account a login shell, or takes it away.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::Username;

/// Enables or disables the login shell.
#[derive(Serialize)]
pub struct ToggleShell {
    /// The account.
    pub username: Username,
    /// Whether it has a shell. Without one, SFTP still works.
    pub enabled: bool,
}

impl Operation for ToggleShell {
    const PATHS: &'static [&'static str] = &["/ssh/toggle-shell"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self { username: fields.username()?, enabled: fields.boolean("enabled")? })
    }
}
