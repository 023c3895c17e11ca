//! `/ssl/delete`: deletes a site's certificate, uploaded or issued. The site is then served over HTTP only.

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
            // nginx first, then the files: a configuration that refers to missing files would make every later change fail.
            let warnings = apply::apply_with(transaction, &Site::find(host, domain)?, None, deadline)?;
            transaction.commit()?;
            current::forget(host, domain, deadline)?;
            record(host, domain, None)?;
            Ok(warnings)
        })?;
        Ok(answer(host, domain, &warnings))
    }
}
