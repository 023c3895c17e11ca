//! `POST /licenses/{license}/suspend`, `resume`, `cancel` and `renew`, and `PATCH /licenses/{license}`: each answers the
//! license as it is afterwards.

use serde::Serialize;

use crate::actions::{self, Change, ChangedLicense, Refusal};
use crate::model::change_error::{check_labels, check_note, check_reference, check_server_ip, find_plan};
use crate::model::{Basis, License, LicenseView, Period};
use crate::store::WriteTransaction;
use crate::vendor_api::answer::Answer;
use crate::vendor_api::call::Call;
use crate::vendor_api::error::{ApiError, in_field};
use crate::vendor_api::error_code::ErrorCode;

/// A license after a change.
#[derive(Serialize)]
struct ChangedView<'a> {
    #[serde(flatten)]
    license: LicenseView<'a>,
    /// Whether anything was changed; otherwise it was so already.
    changed: bool,
    /// What was done.
    message: &'a str,
    /// What must be done before servers can use the license; null if they can.
    next_step: Option<&'static str>,
}

/// Suspends a license.
pub(in crate::vendor_api) fn suspend(transaction: &WriteTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let reason = call.body.text("reason").map(str::to_owned);
    change(transaction, call, &[reason.map_or(Change::Suspend, Change::SuspendFor)])
}

/// Resumes a license after a suspension or cancellation.
pub(in crate::vendor_api) fn resume(transaction: &WriteTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    change(transaction, call, &[Change::Resume])
}

/// Cancels a license.
pub(in crate::vendor_api) fn cancel(transaction: &WriteTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    change(transaction, call, &[Change::Cancel])
}

/// Sets the expiry of a license, or adds time.
pub(in crate::vendor_api) fn renew(transaction: &WriteTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let body = &call.body;
    let (field, renewal) = match (body.has("until"), body.text("add")) {
        (true, None) if body.has("basis") => {
            return Err(ApiError::invalid("basis", "It says where added time begins, and needs `add`."));
        }
        (true, None) => ("until", Change::Renew(body.instant("until"))),
        (false, Some(period)) => ("add", Change::Extend(parsed_period(period)?, basis(body.text("basis")))),
        (true, Some(_)) => return Err(ApiError::invalid("add", "Send either `until` or `add`.")),
        (false, None) => return Err(ApiError::invalid("until", "Send `until`, or `add` with a period such as P1M.")),
    };
    change(transaction, call, &[renewal])
        .map_err(|error| if error.code == ErrorCode::ValidationFailed { error.of(field) } else { error })
}

fn parsed_period(text: &str) -> Result<Period, ApiError> {
    let message = "It must be an ISO 8601 duration of years, months, weeks or days, such as P1M or P1Y.";
    text.parse().map_err(|()| ApiError::invalid("add", message))
}

fn basis(name: Option<&str>) -> Basis {
    let found = Basis::ALL.into_iter().find(|(known, _)| Some(*known) == name);
    found.map_or(Basis::NowIfExpired, |(_, basis)| basis)
}

/// Changes the members of a license that the body has.
pub(in crate::vendor_api) fn patch(transaction: &WriteTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let body = &call.body;
    let mut changes = Vec::new();
    if let Some(slug) = body.text("plan") {
        find_plan(&transaction.plans()?, slug).map_err(|error| in_field("plan", error))?;
        changes.push(Change::SetPlan(slug.to_owned()));
    }
    if let Some(name) = body.text("owner") {
        let no_user = || ApiError::invalid("owner", format!("There is no user “{name}”."));
        let (user, _) = transaction.user(name)?.ok_or_else(no_user)?;
        changes.push(Change::Transfer(user));
    }
    if body.has("lock_ip") {
        let ip = body.address("lock_ip");
        ip.map_or(Ok(()), check_server_ip).map_err(|error| in_field("lock_ip", error))?;
        changes.push(ip.map_or(Change::UnlockIp, Change::LockIp));
    }
    if body.has("reference") {
        let reference = body.text("reference");
        reference.map_or(Ok(()), check_reference).map_err(|error| in_field("reference", error))?;
        changes.push(Change::SetReference(reference.map(str::to_owned)));
    }
    if let Some(note) = body.text("note") {
        check_note(note).map_err(|error| in_field("note", error))?;
        changes.push(Change::SetNote(note.to_owned()));
    }
    if let Some(labels) = body.lines("labels") {
        check_labels(&labels).map_err(|error| in_field("labels", error))?;
        changes.push(Change::SetLabels(labels));
    }
    changes.extend(body.flag("trial").map(Change::SetTrial));
    let taken = |error: ApiError| if error.code == ErrorCode::Conflict { error.of("reference") } else { error };
    change(transaction, call, &changes).map_err(taken)
}

/// Makes the changes. What is so already is a success, so that a call can be repeated.
fn change(transaction: &WriteTransaction<'_>, call: &Call, changes: &[Change]) -> Result<Answer, ApiError> {
    let license = call.license_to_change(transaction)?;
    let actor = call.actor();
    match actions::change_all(transaction, &call.context(&actor), license.id, changes) {
        Ok(ChangedLicense { license, sentence }) => answer(transaction, &license, true, &sentence),
        Err(Refusal::Unchanged(sentence)) => answer(transaction, &license, false, &sentence),
        Err(refusal) => Err(refusal.into()),
    }
}

fn answer(
    transaction: &WriteTransaction<'_>,
    license: &License,
    changed: bool,
    message: &str,
) -> Result<Answer, ApiError> {
    let now = transaction.now();
    let view = LicenseView::new(license, false, transaction.active_servers(license, now)?, now);
    Ok(Answer::json(200, &ChangedView { license: view, changed, message, next_step: license.next_step(now) }))
}
