//! `/domains/protected-dir/remove`: lets everyone into a directory again.

use serde_json::{Value, json};

use crate::perform::{Context, Perform};
use crate::transaction::Transaction;
use crate::web::change_settings::change_settings;
use crate::web::protected_directories;
use crate::web::site::Site;
use opterius_host::problem::Problem;
use opterius_host::request::domains_protected_dir_remove::UnprotectDirectory;

impl Perform for UnprotectDirectory {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { domain, username, path } = self;
        Transaction::run(host, deadline, |transaction| {
            let site = Site::find_of(host, domain, username)?;
            let warnings = change_settings(transaction, &site, deadline, |settings| {
                settings.protected.retain(|known| known.path != *path);
            })?;
            // nginx no longer refers to it.
            protected_directories::forget_passwords(transaction, domain, path)?;
            Ok(json!({"domain": domain, "path": path, "warnings": warnings}))
        })
    }
}
