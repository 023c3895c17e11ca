//! `/postgres/user-create`: creates a PostgreSQL role that can log in and acts as the owner of one database of the same account.

use serde_json::Value;

use crate::databases::user_change;
use crate::perform::{Context, Perform};
use crate::servers::database_server::DatabaseUser;
use crate::servers::postgresql::Postgresql;
use opterius_host::problem::Problem;
use opterius_host::request::postgres_user_create::CreatePostgresqlUser;

impl Perform for CreatePostgresqlUser {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let user = DatabaseUser { name: self.pg_username.clone(), host: None };
        let server = Postgresql::new(host, deadline)?;
        user_change::create(host, &server, &user, (&self.password, &self.database), deadline)
    }
}
