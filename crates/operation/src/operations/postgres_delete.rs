//! `/postgres/delete`: deletes a PostgreSQL database that the Agent made.

use serde_json::Value;

use crate::databases::change;
use crate::perform::{Context, Perform};
use crate::servers::postgresql::Postgresql;
use opterius_host::problem::Problem;
use opterius_host::request::postgres_delete::DeletePostgresqlDatabase;

impl Perform for DeletePostgresqlDatabase {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        change::delete(host, &Postgresql::new(host, deadline)?, &self.name, deadline)
    }
}
