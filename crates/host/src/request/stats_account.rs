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
    /// Its databases, without what cannot be the name of one.
    pub databases: Vec<String>,
}

impl Operation for AccountStats {
    const PATHS: &'static [&'static str] = &["/stats/account"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let is_database = |name: &&str| {
            (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
        let databases = fields.hints("databases").into_iter().filter(is_database).collect();
        Ok(Self { username: fields.username()?, domains: owned(fields.hints("domains")), databases: owned(databases) })
    }
}
