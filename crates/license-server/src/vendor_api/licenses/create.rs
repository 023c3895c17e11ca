//! `POST /licenses`.

use std::time::Duration;

use ring::digest::{SHA256, digest};
use serde::Serialize;

use crate::actions::{self, LicenseTerms, NewUser};
use crate::model::change_error::{check_expiry, check_labels, check_reference, check_server_ip, find_plan};
use crate::model::{License, LicenseView, Scope};
use crate::store::WriteTransaction;
use crate::vendor_api::answer::Answer;
use crate::vendor_api::call::Call;
use crate::vendor_api::error::{ApiError, in_field};
use crate::vendor_api::error_code::ErrorCode;
use crate::vendor_api::members::Members;
use crate::vendor_api::users;
use opterius_base::hex::hex;

/// How long the key is in the answer to a repetition, for a token that made the license and does not reveal keys: a client
/// repeats a call at once if it has lost the answer.
const REPETITION_TIME: Duration = Duration::from_secs(86_400);

/// The owner of a new license.
#[derive(Serialize)]
struct Owner {
    name: String,
    email: Option<String>,
    display_name: Option<String>,
    /// Whether the user is made when there is none with the name.
    can_be_made: bool,
}

/// Creates a license. A repetition with the same reference answers the license that is there.
pub(in crate::vendor_api) fn create(transaction: &WriteTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let owner = owner(&call.body);
    let terms = terms(&call.body, &owner);
    let sha256 = sha256(&owner, &terms);
    if let Some(reference) = &terms.reference
        && let Some(license) = transaction.license_by_reference(reference)?
    {
        return repeated(transaction, call, &license, &sha256);
    }
    check(transaction, &terms)?;
    ensure_owner(transaction, call, &owner)?;
    let key = actions::new_key()?;
    let license = actions::create_license(transaction, &call.actor(), &terms, &key)?.license;
    transaction.put_creation(license.id, call.token_id(), &sha256)?;
    Ok(Answer::json(201, &LicenseView::new(&license, true, 0, transaction.now())))
}

/// The answer if there is a license with the reference: 200 if it was created from the same body, otherwise 409.
fn repeated(
    transaction: &WriteTransaction<'_>,
    call: &Call,
    license: &License,
    sha256: &str,
) -> Result<Answer, ApiError> {
    let now = transaction.now();
    let Some(creation) = transaction.creation(license.id)?.filter(|creation| creation.request_sha256 == sha256) else {
        let message = format!("License {} has this reference, and was not created from this body.", license.id);
        return Err(ApiError::new(ErrorCode::ReferenceTaken, message).of("reference"));
    };
    let is_retry = creation.token == call.token_id() && now.since(creation.at) < REPETITION_TIME;
    let reveals = call.may(Scope::KeysReveal);
    if reveals {
        call.record_key_view(transaction, license.id)?;
    }
    let active = transaction.active_servers(license, now)?;
    Ok(Answer::json(200, &LicenseView::new(license, reveals || is_retry, active, now)))
}

fn owner(body: &Members) -> Owner {
    let text = |members: &Members, name: &str| members.text(name).map(str::to_owned);
    match body.object("owner") {
        Some(owner) => Owner {
            name: text(&owner, "name").unwrap_or_default(),
            email: text(&owner, "email"),
            display_name: text(&owner, "display_name"),
            can_be_made: true,
        },
        None => {
            let name = text(body, "owner").unwrap_or_default();
            Owner { name, email: None, display_name: None, can_be_made: false }
        }
    }
}

fn terms(body: &Members, owner: &Owner) -> LicenseTerms {
    LicenseTerms {
        owner: owner.name.clone(),
        plan: body.text("plan").unwrap_or_default().to_owned(),
        expires_at: body.instant("expires_at"),
        locked_ip: body.address("lock_ip"),
        reference: body.text("reference").map(str::to_owned),
        note: body.text("note").unwrap_or_default().to_owned(),
        labels: body.lines("labels").unwrap_or_default(),
        is_trial: body.flag("trial").unwrap_or(false),
    }
}

/// The hash of what the body means: a member that is absent is the same as one with its default.
fn sha256(owner: &Owner, terms: &LicenseTerms) -> String {
    let LicenseTerms { owner: _, plan, expires_at, locked_ip, reference, note, labels, is_trial } = terms;
    let meaning = serde_json::json!([owner, plan, expires_at, locked_ip, reference, note, labels, is_trial]);
    hex(digest(&SHA256, meaning.to_string().as_bytes()).as_ref())
}

/// The checks of the action, with the member that each is about.
fn check(transaction: &WriteTransaction<'_>, terms: &LicenseTerms) -> Result<(), ApiError> {
    find_plan(&transaction.plans()?, &terms.plan).map_err(|error| in_field("plan", error))?;
    check_expiry(terms.expires_at, transaction.now()).map_err(|error| in_field("expires_at", error))?;
    terms.locked_ip.map_or(Ok(()), check_server_ip).map_err(|error| in_field("lock_ip", error))?;
    let reference = terms.reference.as_deref();
    reference.map_or(Ok(()), check_reference).map_err(|error| in_field("reference", error))?;
    check_labels(&terms.labels).map_err(|error| in_field("labels", error))
}

/// Makes the owner, if the body has an object and there is no user with the name.
fn ensure_owner(transaction: &WriteTransaction<'_>, call: &Call, owner: &Owner) -> Result<(), ApiError> {
    if transaction.user(&owner.name)?.is_some() {
        return Ok(());
    }
    if !owner.can_be_made {
        let message = format!(
            "There is no user “{}”. To make one with the license, send an object: {{\"name\": \"…\"}}.",
            owner.name
        );
        return Err(ApiError::invalid("owner", message));
    }
    let new = NewUser {
        name: owner.name.clone(),
        display_name: owner.display_name.clone().unwrap_or_default(),
        mail: owner.email.clone(),
        ..NewUser::default()
    };
    users::make(transaction, call, &new, "owner.").map(drop)
}
