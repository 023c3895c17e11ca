//! `/stats/account`: reports an account's usage.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::{Domain, Username};

/// Measures an account's usage.
#[derive(Serialize)]
pub struct AccountStats {
    /// The account.
    pub username: Username,
    /// Its domains.
    pub domains: Vec<Domain>,
    /// Its databases.
    pub databases: Vec<String>,
}

impl Operation for AccountStats {
    const PATHS: &'static [&'static str] = &["/stats/account"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let is_database = |name: &&str| {
            (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let databases = fields.texts("databases", 1000)?;
        if !databases.iter().all(is_database) {
            let rule = "must be names of at most 64 letters, digits and underscores each";
            return Err(Problem::invalid("databases", rule));
        }
        Ok(Self {
            username: fields.username()?,
            domains: fields.domains("domains")?,
            databases: databases.into_iter().map(str::to_owned).collect(),
        })
    }
}
