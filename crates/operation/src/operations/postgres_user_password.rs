//! `/postgres/user-password`: sets the password of a PostgreSQL role.

use serde_json::Value;

use crate::databases::user_change;
use crate::perform::{Context, Perform};
use crate::servers::postgresql::Postgresql;
use opterius_host::problem::Problem;
use opterius_host::request::postgres_user_password::SetPostgresqlPassword;

impl Perform for SetPostgresqlPassword {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let server = Postgresql::new(host, deadline)?;
        user_change::set_password(host, &server, (&self.pg_username, &[None]), &self.password, deadline)
    }
}
