//! `/postgres/create`: creates a PostgreSQL database for the account in front of its name.

use serde_json::Value;

use crate::databases::change;
use crate::perform::{Context, Perform};
use crate::servers::postgresql::Postgresql;
use opterius_host::problem::Problem;
use opterius_host::request::postgres_create::CreatePostgresqlDatabase;

impl Perform for CreatePostgresqlDatabase {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        change::create(host, &Postgresql::new(host, deadline)?, &self.name, deadline)
    }
}
