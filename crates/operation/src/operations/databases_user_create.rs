//! `/databases/user-create`: creates a MariaDB user with all privileges for one database of the same account.

use serde_json::Value;

use crate::databases::user_change;
use crate::perform::{Context, Perform};
use crate::servers::database_server::DatabaseUser;
use crate::servers::mariadb::MariaDb;
use opterius_host::problem::Problem;
use opterius_host::request::databases_user_create::CreateMariaDbUser;

impl Perform for CreateMariaDbUser {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let user = DatabaseUser { name: self.username.clone(), host: Some(self.host) };
        let server = MariaDb::new(host, deadline)?;
        user_change::create(host, &server, &user, (&self.password, &self.database), deadline)
    }
}
