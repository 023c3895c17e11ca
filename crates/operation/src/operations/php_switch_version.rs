//! `/php/switch-version`: runs a site with another version of PHP. The pools of the previous one end, in all versions.

use serde_json::{Value, json};

use crate::perform::{Context, Perform};
use crate::servers::php::versions;
use crate::transaction::Transaction;
use crate::web::apply;
use crate::web::change_settings::check_account;
use crate::web::php_values;
use crate::web::site::Site;
use opterius_host::problem::Problem;
use opterius_host::request::php_switch_version::SwitchPhpVersion;

impl Perform for SwitchPhpVersion {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { domain, username, new_version } = self;
        Transaction::run(host, deadline, |transaction| {
            let site = Site::find_of(host, domain, username)?;
            check_account(host, &site)?;
            versions::check(host, new_version)?;
            let old_version = site.php_version.clone();
            let site = Site { php_version: new_version.clone(), ..site };
            let account = php_values::concerned(&site, Site::all_of(host, username)?);
            let warnings = apply::apply(transaction, &account, deadline)?;
            Ok(json!({"domain": domain, "old_version": old_version, "new_version": new_version, "warnings": warnings}))
        })
    }
}
