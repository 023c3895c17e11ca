//! `/domains/redirect-sync`: replaces all redirects of a site.

use serde_json::{Value, json};

use crate::perform::{Context, Perform};
use crate::transaction::Transaction;
use crate::web::change_settings::change_settings;
use crate::web::site::Site;
use opterius_host::problem::Problem;
use opterius_host::request::domains_redirect_sync::SyncRedirects;

impl Perform for SyncRedirects {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { domain, redirects } = self;
        Transaction::run(host, deadline, |transaction| {
            let site = Site::find(host, domain)?;
            let warnings = change_settings(transaction, &site, deadline, |settings| {
                settings.redirects.clone_from(redirects);
            })?;
            Ok(json!({"domain": domain, "redirects": redirects.len(), "warnings": warnings}))
        })
    }
}
