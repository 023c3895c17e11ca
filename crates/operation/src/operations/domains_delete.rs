//! `/domains/delete`: deletes a site and its certificate. Its files and logs stay.

use serde_json::{Value, json};

use crate::perform::{Context, Perform};
use crate::transaction::Transaction;
use crate::users::user;
use crate::web::certificate::current;
use crate::web::pools;
use crate::web::site::Site;
use crate::web::{apply, published_sites};
use opterius_host::problem::Problem;
use opterius_host::request::domains_delete::DeleteSite;
use opterius_host::sites::site_record;
use opterius_host::users::register::Register;

impl Perform for DeleteSite {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { domain, username } = self;
        Transaction::run(host, deadline, |transaction| {
            let site = Site::find_of(host, domain, username)?;
            let register = Register::read(host)?;
            if let Some(user) = register.user(username.as_str()) {
                user::refuse_foreign_user(host, &register, user)?;
            }
            let expected = apply::remove(transaction, &site)?;
            let mut warnings = Vec::new();
            apply::take_effect(transaction, expected.as_slice(), deadline, &mut warnings)?;
            warnings.extend(pools::sweep(transaction, std::slice::from_ref(username), deadline)?);
            site_record::forget(host, domain)?;
            warnings.extend(published_sites::repair(host, deadline)?);
            Ok(warnings)
        })
        .and_then(|warnings| {
            current::forget(host, domain, deadline)?;
            Ok(json!({"domain": domain, "warnings": warnings}))
        })
    }
}
