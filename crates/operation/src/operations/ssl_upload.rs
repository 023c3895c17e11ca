//! `/ssl/upload`: serves a site with an uploaded certificate, and deletes the one that certbot has for it.

use std::slice;

use serde_json::Value;

use crate::perform::{Context, Perform};
use crate::transaction::{Transaction, lock};
use crate::web::apply;
use crate::web::certificate::pair::{self, Pair};
use crate::web::certificate::published::{answer, record};
use crate::web::certificate::{certbot, uploaded};
use crate::web::site::Site;
use opterius_base::clock::{Clock, SystemClock};
use opterius_host::problem::Problem;
use opterius_host::request::ssl_upload::UploadCertificate;

impl Perform for UploadCertificate {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { domain, username, .. } = self;
        Site::find_of(host, domain, username)?;
        let Pair { fullchain, key, warnings: mut noticed } = pair::check(self, SystemClock.wall(), deadline)?;
        let _certbot = lock::certificates(host, deadline)?;
        let warnings = Transaction::run(host, deadline, |transaction| {
            let site = Site::find_of(host, domain, username)?;
            let installed = uploaded::install(host, domain, (&fullchain, &key), deadline)?;
            let warnings = match apply::apply(transaction, slice::from_ref(&site), deadline) {
                Ok(warnings) => warnings,
                // Restore the files before the transaction restores nginx's configuration.
                Err(problem) => return installed.roll_back(deadline).and(Err(problem)),
            };
            transaction.commit()?;
            installed.keep(deadline)?;
            // nginx no longer refers to it.
            certbot::forget(host, domain, deadline)?;
            record(host, domain, None)?;
            Ok(warnings)
        });
        noticed.extend(warnings.map_err(refusal)?);
        Ok(answer(host, domain, &noticed))
    }
}

/// The error for a certificate that passed the checks in [`pair`] but that nginx rejected. A configuration that others broke
/// before is not the certificate's fault.
fn refusal(problem: Problem) -> Problem {
    match problem {
        Problem::Rejected { sentence, .. } => Problem::Conflict(format!("The certificate was rejected. {sentence}")),
        problem => problem,
    }
}
