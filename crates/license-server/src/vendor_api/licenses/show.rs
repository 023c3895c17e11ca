//! `GET /licenses/{license}`.

use crate::model::{LicenseView, Scope};
use crate::store::ReadTransaction;
use crate::vendor_api::answer::Answer;
use crate::vendor_api::call::Call;
use crate::vendor_api::error::ApiError;

/// The license; with its key, if the token reveals keys. The view is recorded before the answer is sent.
pub(in crate::vendor_api) fn show(transaction: &ReadTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let license = call.license(transaction)?;
    let reveals = call.may(Scope::KeysReveal);
    let active = transaction.active_servers(&license, call.now)?;
    let answer = Answer::json(200, &LicenseView::new(&license, reveals, active, call.now));
    Ok(if reveals { answer.revealing(license.id) } else { answer })
}
