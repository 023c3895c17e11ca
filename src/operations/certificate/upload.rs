//! Taking a certificate that somebody else has issued.

use serde_json::Value;

use crate::clock::{Clock, SystemClock};
use crate::operations::certificate::{certbot, current, pair, record, uploaded};
use crate::operations::deadline::Deadline;
use crate::operations::host::Host;
use crate::operations::lock;
use crate::operations::problem::Problem;
use crate::operations::request::UploadCertificate;
use crate::operations::site::Site;

/// Serves a site with an uploaded certificate; one that certbot has for it is deleted.
///
/// # Errors
/// The site is not there or is somebody else's, chain and key cannot be used, or nginx refuses them; everything is then
/// as it was.
pub fn upload(host: &Host, request: UploadCertificate, deadline: Deadline) -> Result<Value, Problem> {
    let domain = &request.domain;
    pair::check(&request, SystemClock.wall(), deadline)?;
    let _certbot = lock::certificates(host, deadline)?;
    let _changes = lock::changes(host, deadline)?;
    let site = Site::find(host, domain)?;
    if site.username != request.username {
        return Err(Problem::Conflict(format!("The site “{domain}” belongs to another account.")));
    }
    let placed = uploaded::put(host, domain, &request.certificate, &request.private_key)?;
    if let Err(problem) = site.apply(host, deadline) {
        placed.take_back()?;
        return Err(match problem {
            Problem::Failed(words) => Problem::Conflict(format!("The certificate was not taken. {words}")),
            problem => problem,
        });
    }
    placed.keep()?;
    // Nothing points to it any more.
    certbot::forget(host, domain)?;
    record(host, domain, None)?;
    Ok(current(host, domain))
}
