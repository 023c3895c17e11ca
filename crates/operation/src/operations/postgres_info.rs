//! `/postgres/info`: the size, number of tables, and users of a PostgreSQL database.

use serde_json::{Value, json};

use crate::databases::owner;
use crate::perform::{Context, Perform};
use crate::servers::database_server::{DatabaseServer, Engine};
use crate::servers::postgresql::Postgresql;
use opterius_host::measure::units::megabytes;
use opterius_host::problem::Problem;
use opterius_host::request::postgres_info::DescribePostgresqlDatabase;

impl Perform for DescribePostgresqlDatabase {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let server = Postgresql::new(host, deadline)?;
        let exists = server.has_database(&self.name)?;
        owner::of_database(host, Engine::Postgresql, &self.name, || Ok(exists))?;
        if !exists {
            return Err(owner::missing(Engine::Postgresql, "database", &self.name));
        }
        let found = server.describe(&self.name)?;
        Ok(json!({
            "name": self.name,
            "size": found.size,
            "size_mb": megabytes(found.bytes),
            "table_count": found.table_count,
            "users": found.users,
        }))
    }
}
