//! `/stats/account`: reports an account's usage.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::Username;

/// Measures an account's usage.
#[derive(Serialize)]
pub struct AccountStats {
    /// The account.
    pub username: Username,
    /// Its domains, as the Panel writes them: each is a key of the answer, also one that is no domain.
    pub domains: Vec<String>,
}

impl Operation for AccountStats {
    const PATHS: &'static [&'static str] = &["/stats/account"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let domains = fields.hints("domains").into_iter().map(str::to_owned).collect();
        Ok(Self { username: fields.username()?, domains })
    }
}
