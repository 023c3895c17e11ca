//! `/postgres/user-delete`: deletes a PostgreSQL role; what it owns goes to the owner of the database.

use serde_json::Value;

use crate::databases::user_change;
use crate::perform::{Context, Perform};
use crate::servers::postgresql::Postgresql;
use opterius_host::problem::Problem;
use opterius_host::request::postgres_user_delete::DeletePostgresqlUser;

impl Perform for DeletePostgresqlUser {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let server = Postgresql::new(host, deadline)?;
        user_change::delete(host, &server, (&self.pg_username, &[None]), deadline)
    }
}
