//! `/domains/alias-remove`: takes an alias away from a site. The certificate may still contain it; its DNS zone stays.

use std::slice;

use serde_json::{Value, json};

use crate::perform::{Context, Perform};
use crate::transaction::Transaction;
use crate::web::apply;
use crate::web::change_settings::check_account;
use crate::web::site::Site;
use opterius_host::problem::Problem;
use opterius_host::request::domains_alias_remove::RemoveAlias;

impl Perform for RemoveAlias {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { domain, alias_domain: alias } = self;
        Transaction::run(host, deadline, |transaction| {
            let mut site = Site::find(host, domain)?;
            check_account(host, &site)?;
            site.aliases.retain(|known| known != alias);
            let warnings = apply::apply(transaction, slice::from_ref(&site), deadline)?;
            Ok(json!({"domain": domain, "alias_domain": alias, "aliases": site.aliases, "warnings": warnings}))
        })
    }
}
