//! `/ssl/upload`: a site is served with a certificate that somebody else has issued; one that certbot has for it is deleted.

use std::slice;

use serde_json::Value;

use crate::perform::{Context, Perform};
use crate::transaction::{Transaction, lock};
use crate::web::apply;
use crate::web::certificate::published::{answer, record};
use crate::web::certificate::{certbot, pair, uploaded};
use crate::web::site::Site;
use opterius_base::clock::{Clock, SystemClock};
use opterius_host::problem::Problem;
use opterius_host::request::ssl_upload::UploadCertificate;

impl Perform for UploadCertificate {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let UploadCertificate { domain, username, certificate, private_key } = self;
        Site::find_of(host, domain, username)?;
        pair::check(self, SystemClock.wall(), deadline)?;
        let _certbot = lock::certificates(host, deadline)?;
        let warnings = Transaction::run(host, deadline, |transaction| {
            let site = Site::find_of(host, domain, username)?;
            let placed = uploaded::put(host, domain, (certificate, private_key), deadline)?;
            let warnings = match apply::apply(transaction, slice::from_ref(&site), deadline) {
                Ok(warnings) => warnings,
                // Before nginx is brought back to what it had, its files are.
                Err(problem) => return placed.take_back(deadline).and(Err(refusal(problem))),
            };
            transaction.keep()?;
            placed.keep(deadline)?;
            // Nothing points to it any more.
            certbot::forget(host, domain, deadline)?;
            record(host, domain, None)?;
            Ok(warnings)
        })?;
        Ok(answer(host, domain, &warnings))
    }
}

/// What a person has to know when the checks of [`pair`] let something pass that nginx does not.
fn refusal(problem: Problem) -> Problem {
    match problem {
        Problem::Failed(words) => Problem::Conflict(format!("The certificate was not taken. {words}")),
        problem => problem,
    }
}
