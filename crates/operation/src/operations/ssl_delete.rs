//! `/ssl/delete`: a site's certificate is taken away, uploaded or issued; the site is served over HTTP alone.

use serde_json::Value;

use crate::perform::{Context, Perform};
use crate::transaction::{Transaction, lock};
use crate::web::apply;
use crate::web::certificate::current;
use crate::web::certificate::published::{answer, record};
use crate::web::site::Site;
use opterius_host::problem::Problem;
use opterius_host::request::ssl_delete::DeleteCertificate;

impl Perform for DeleteCertificate {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { domain, .. } = self;
        Site::find(host, domain)?;
        let _certbot = lock::certificates(host, deadline)?;
        let warnings = Transaction::run(host, deadline, |transaction| {
            // First nginx, then the files: one that points to what is gone would refuse every later change of any site.
            let warnings = apply::apply_with(transaction, &Site::find(host, domain)?, None, deadline)?;
            transaction.keep()?;
            current::forget(host, domain, deadline)?;
            record(host, domain, None)?;
            Ok(warnings)
        })?;
        Ok(answer(host, domain, &warnings))
    }
}
