//! `/databases/info`: the size, tables and users of a MariaDB database.

use serde_json::{Value, json};

use crate::databases::owner;
use crate::perform::{Context, Perform};
use crate::servers::database_server::{DatabaseServer, Engine};
use crate::servers::mariadb::{MAX_TABLES, MariaDb, Table};
use opterius_host::measure::units::megabytes;
use opterius_host::problem::Problem;
use opterius_host::request::databases_info::DescribeMariaDbDatabase;

impl Perform for DescribeMariaDbDatabase {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let server = MariaDb::new(host, deadline)?;
        let exists = server.has_database(&self.name)?;
        let (account, _) = owner::of_database(host, Engine::MariaDb, &self.name, || Ok(exists))?;
        if !exists {
            return Err(owner::missing(Engine::MariaDb, "database", &self.name));
        }
        let found = server.describe(&self.name)?;
        let prefix = format!("{account}_");
        let table = |table: &Table| json!({"name": table.name, "size_kb": table.bytes / 1024, "rows": table.rows});
        let users = found.users.iter().filter(|(name, _)| name.starts_with(&prefix));
        Ok(json!({
            "name": self.name,
            "size_mb": megabytes(found.bytes),
            "table_count": found.table_count,
            "tables": found.tables.iter().map(table).collect::<Vec<_>>(),
            // A database with more tables than that shows the first of them.
            "table_limit": MAX_TABLES,
            "users": users.map(|(name, host)| json!({"username": name, "host": host})).collect::<Vec<_>>(),
        }))
    }
}
