//! Taking a certificate that somebody else has issued.

use std::slice;

use serde_json::Value;

use crate::transaction::Changes;
use crate::transaction::lock;
use crate::web::certificate::{answer, certbot, pair, record, uploaded};
use crate::web::site::{self, Site};
use opterius_base::clock::{Clock, SystemClock};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::UploadCertificate;

/// Serves a site with an uploaded certificate; one that certbot has for it is deleted.
///
/// # Errors
/// The site is not there or is somebody else's, chain and key cannot be used, or nginx refuses them; everything is then
/// as it was.
pub fn upload(host: &Host, request: &UploadCertificate, deadline: Deadline) -> Result<Value, Problem> {
    let UploadCertificate { domain, username, certificate, private_key } = request;
    Site::find_of(host, domain, username)?;
    pair::check(request, SystemClock.wall(), deadline)?;
    let _certbot = lock::certificates(host, deadline)?;
    let warnings = Changes::run(host, deadline, |changes| {
        let site = Site::find_of(host, domain, username)?;
        let placed = uploaded::put(host, domain, (certificate, private_key), deadline)?;
        let warnings = match site::apply(changes, slice::from_ref(&site), deadline) {
            Ok(warnings) => warnings,
            // Before nginx is brought back to what it had, its files are.
            Err(problem) => return placed.take_back(deadline).and(Err(refusal(problem))),
        };
        changes.keep()?;
        placed.keep(deadline)?;
        // Nothing points to it any more.
        certbot::forget(host, domain, deadline)?;
        record(host, domain, None)?;
        Ok(warnings)
    })?;
    Ok(answer(host, domain, &warnings))
}

/// What a person has to know when the checks of [`pair`] let something pass that nginx does not.
fn refusal(problem: Problem) -> Problem {
    match problem {
        Problem::Failed(words) => Problem::Conflict(format!("The certificate was not taken. {words}")),
        problem => problem,
    }
}
