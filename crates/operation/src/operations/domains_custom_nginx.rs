//! `/domains/custom-nginx`: replaces the directives that the owner of a site has written for it.

use serde_json::{Value, json};

use crate::perform::{Context, Perform};
use crate::transaction::Transaction;
use crate::web::change_settings::change_settings;
use crate::web::site::Site;
use opterius_host::problem::Problem;
use opterius_host::request::domains_custom_nginx::SetDirectives;

impl Perform for SetDirectives {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { domain, directives } = self;
        Transaction::run(host, deadline, |transaction| {
            let site = Site::find(host, domain)?;
            let warnings = change_settings(transaction, &site, deadline, |settings| {
                settings.directives.clone_from(directives);
            })?;
            Ok(json!({"domain": domain, "warnings": warnings}))
        })
    }
}
