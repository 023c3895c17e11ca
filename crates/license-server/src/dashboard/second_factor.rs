//! The user's own second factor: enrolment, recovery codes, removal; and the check of a code.

use std::fmt::Write;

use askama::Template;
use log::{info, warn};
use qrcodegen::{QrCode, QrCodeEcc};

use super::confirm_page::ConfirmPage;
use super::field::{Field, FieldKind};
use super::form::Form;
use super::page::{self, Layout};
use super::page_error::PageError;
use super::page_request::PageRequest;
use super::password_check;
use super::routes::Route;
use super::signed_in_user::SignedInUser;
use super::tokens::{self, Purpose};
use crate::actions::{self, Proof, Refusal};
use crate::config::RequireSecondFactor;
use crate::model::User;
use crate::store::WriteTransaction;
use crate::totp::TotpSecret;
use crate::{factor_seal, recovery_codes};
use opterius_base::hex::{hex, unhex};
use opterius_base::secret::Secret;
use opterius_base::text::one_line;
use opterius_http::response::Response;

/// What apps show beside the code.
const ISSUER: &str = "Opterius Licenses";

/// The light margin around a QR code that readers need, in modules (ISO/IEC 18004).
const MARGIN: i32 = 4;

#[derive(Template)]
#[template(path = "second_factor.html", config = "src/dashboard/askama.toml")]
struct EnrolmentPage {
    layout: Layout,
    is_required: bool,
    secret: String,
    uri: String,
    sealed: String,
    picture: Option<Picture>,
    user_name: String,
    error: Option<String>,
}

/// A QR code: its width in modules with the margin, and the dark modules as a path.
struct Picture {
    width: i32,
    path: String,
}

#[derive(Template)]
#[template(path = "recovery_codes.html", config = "src/dashboard/askama.toml")]
struct CodesPage {
    layout: Layout,
    codes: Vec<Secret>,
}

/// Whether the user must enrol a second factor before anything else.
pub(super) fn is_missing(page_request: &PageRequest, user: &User) -> bool {
    page_request.config.require_second_factor == RequireSecondFactor::Administrators
        && user.administrator
        && user.second_factor_at.is_none()
}

/// Checks a code from the app or a recovery code. Wrong codes are limited like wrong passwords, apart from them and more.
pub(super) fn check(page_request: &PageRequest, user: &User, typed: &str) -> Result<Proof, PageError> {
    let (shared, attempts, client) = (&page_request.shared, &page_request.state.codes, page_request.client);
    let now = shared.clock.monotonic();
    let name = user.id.to_string();
    attempts.take(&name, client, now).map_err(PageError::TooManyAttempts)?;
    let stored = shared.readers.read(|transaction| transaction.second_factor(user.id))?;
    let secret = stored.as_ref().and_then(|factor| factor_seal::open(&shared.keys(), user.id, &factor.sealed));
    if stored.is_some() && secret.is_none() {
        warn!("The second factor of user {} cannot be decrypted: its signing key is missing", user.id);
    }
    let step = secret.and_then(|secret| secret.step_of(typed, shared.clock.wall()));
    let step = step.filter(|step| stored.is_some_and(|factor| factor.step < *step));
    let proof = step.map(Proof::Code).or_else(|| recovery_codes::hash(typed).map(Proof::RecoveryCode));
    let id = user.id;
    let is_right = match &proof {
        None => false,
        Some(Proof::Code(_)) => true,
        Some(Proof::RecoveryCode(hash)) => {
            shared.readers.read(|transaction| transaction.has_recovery_code(id, hash))?
        }
    };
    match proof.filter(|_| is_right) {
        Some(proof) => {
            attempts.succeeded(&name, client, now);
            Ok(proof)
        }
        None => {
            attempts.failed(&name, client, now);
            warn!("Code of “{}” from {client} refused", one_line(&user.name, 64));
            Err(PageError::Refused(Refusal::Invalid("Wrong code, or one that was used before.".to_owned())))
        }
    }
}

/// Renders the page: enrolment, or what the user has.
pub(super) fn show(page_request: &PageRequest, signed_in_user: &SignedInUser) -> Result<Response, PageError> {
    if signed_in_user.user.second_factor_at.is_some() {
        return Ok(page::see_other(Route::Account.to_string()));
    }
    enrolment(page_request, signed_in_user, &TotpSecret::generate()?, None)
}

fn enrolment(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    secret: &TotpSecret,
    error: Option<String>,
) -> Result<Response, PageError> {
    let uri = secret.uri(ISSUER, &signed_in_user.user.name);
    let status = if error.is_some() { 422 } else { 200 };
    let key = &page_request.shared.form_secret;
    let page = EnrolmentPage {
        layout: page_request.layout(signed_in_user, "account"),
        is_required: is_missing(page_request, &signed_in_user.user),
        secret: secret.base32().expose().to_owned(),
        picture: picture(uri.expose()),
        uri: uri.expose().to_owned(),
        sealed: tokens::seal_for(Purpose::Enrolment, key, &signed_in_user.token, &hex(secret.bytes())),
        user_name: signed_in_user.user.name.clone(),
        error,
    };
    Ok(page::html(status, "Second factor", &page))
}

/// The QR code of the text; `None` if it is too long for one.
fn picture(text: &str) -> Option<Picture> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let mut path = String::new();
    for (y, x) in (0..code.size()).flat_map(|y| (0..code.size()).map(move |x| (y, x))) {
        if code.get_module(x, y) {
            // Writing to a String cannot fail.
            let _ = write!(path, "M{},{}h1v1h-1z", x.saturating_add(MARGIN), y.saturating_add(MARGIN));
        }
    }
    Some(Picture { width: code.size().saturating_add(MARGIN * 2), path })
}

/// Enrols: checks the password and a code of the new secret, and shows the recovery codes.
pub(super) fn act(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    form: &Form,
) -> Result<Response, PageError> {
    let key = &page_request.shared.form_secret;
    let secret = tokens::unseal_for(Purpose::Enrolment, key, &signed_in_user.token, form.text("secret"))
        .and_then(|text| TotpSecret::from_bytes(&unhex(text.as_bytes())?))
        .ok_or(PageError::Malformed)?;
    match enrol(page_request, signed_in_user, &secret, form) {
        Ok(codes) => {
            info!("{} enrolled a second factor from {}", one_line(&signed_in_user.user.name, 64), page_request.client);
            Ok(show_codes(page_request, signed_in_user, codes))
        }
        Err(PageError::Refused(Refusal::Invalid(sentence))) => {
            enrolment(page_request, signed_in_user, &secret, Some(sentence))
        }
        Err(page_error) => Err(page_error),
    }
}

fn enrol(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    secret: &TotpSecret,
    form: &Form,
) -> Result<Vec<Secret>, PageError> {
    check_password(page_request, signed_in_user, form)?;
    let now = page_request.shared.clock.wall();
    let wrong =
        || Refusal::Invalid("Wrong code. Check the clock of your phone, and enter the code it shows now.".to_owned());
    let step = secret.step_of(form.text("code"), now).ok_or_else(wrong)?;
    let codes = recovery_codes::generate()?;
    let hashes = hashes(&codes);
    let id = signed_in_user.user.id;
    let sealed = factor_seal::seal(&page_request.shared.keys(), id, secret)?;
    let (actor, session) = (signed_in_user.actor(), tokens::token_sha256(&signed_in_user.token));
    page_request.shared.writer.change(move |transaction: &WriteTransaction<'_>| {
        actions::add_second_factor(transaction, &actor, id, &sealed, step, &hashes, &session)
    })?;
    Ok(codes)
}

fn hashes(codes: &[Secret]) -> Vec<String> {
    codes.iter().filter_map(|code| recovery_codes::hash(code.expose())).collect()
}

fn show_codes(page_request: &PageRequest, signed_in_user: &SignedInUser, codes: Vec<Secret>) -> Response {
    let layout = page_request.layout(signed_in_user, "account");
    page::html(200, "Recovery codes", &CodesPage { layout, codes })
}

fn check_password(page_request: &PageRequest, signed_in_user: &SignedInUser, form: &Form) -> Result<(), PageError> {
    let password = Secret::new(form.get("password").unwrap_or_default().to_owned());
    password_check::check(page_request, &signed_in_user.user.name, &password).map(drop)
}

/// The form that asks for password and code.
fn ask_both(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    action: Route,
    error: Option<String>,
) -> ConfirmPage {
    let is_removal = action == Route::RemoveSecondFactor;
    let heading = if is_removal { "Remove your second factor" } else { "New recovery codes" };
    let sentence = if is_removal {
        "You will sign in with your password alone. All your other sessions will be signed out."
    } else {
        "You get ten new recovery codes; the present ones become invalid."
    };
    ConfirmPage {
        layout: page_request.layout(signed_in_user, "account"),
        title: heading.to_owned(),
        action,
        heading: heading.to_owned(),
        confirm_text: vec![sentence.to_owned()],
        hidden: Vec::new(),
        fields: vec![
            Field {
                name: "password",
                label: "Current password",
                kind: FieldKind::Password,
                required: true,
                autocomplete: "current-password",
                ..Field::default()
            },
            Field {
                name: "code",
                label: "Code",
                hint: "The code that your app shows, or a recovery code.",
                required: true,
                autocomplete: "one-time-code",
                ..Field::default()
            },
        ],
        confirm: if is_removal { "Remove second factor" } else { "Make new codes" },
        dangerous: is_removal,
        back: Route::Account,
        back_label: "Go back",
        error,
    }
}

/// Renders the form that removes the second factor.
pub(super) fn show_removal(page_request: &PageRequest, signed_in_user: &SignedInUser) -> Result<Response, PageError> {
    Ok(ask_both(page_request, signed_in_user, Route::RemoveSecondFactor, None).answer())
}

/// Renders the form that makes new recovery codes.
pub(super) fn show_renewal(page_request: &PageRequest, signed_in_user: &SignedInUser) -> Result<Response, PageError> {
    Ok(ask_both(page_request, signed_in_user, Route::RecoveryCodes, None).answer())
}

/// Checks password and code of the form.
fn check_both(page_request: &PageRequest, signed_in_user: &SignedInUser, form: &Form) -> Result<Proof, PageError> {
    check_password(page_request, signed_in_user, form)?;
    check(page_request, &signed_in_user.user, form.text("code"))
}

fn used_before() -> Refusal {
    Refusal::Invalid("Wrong code, or one that was used before.".to_owned())
}

/// Removes the second factor.
pub(super) fn remove(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    form: &Form,
) -> Result<Response, PageError> {
    let removed = check_both(page_request, signed_in_user, form).and_then(|proof| {
        let (actor, id) = (signed_in_user.actor(), signed_in_user.user.id);
        let session = tokens::token_sha256(&signed_in_user.token);
        Ok(page_request.shared.writer.change(move |transaction: &WriteTransaction<'_>| {
            if !actions::use_proof(transaction, &actor, id, &proof)? {
                return Err(used_before());
            }
            actions::remove_second_factor(transaction, &actor, id, Some(&session))
        })?)
    });
    match removed {
        Ok(sentence) => Ok(page_request.redirect_with_flash(&signed_in_user.token, Route::Account, &sentence)),
        Err(PageError::Refused(Refusal::Invalid(sentence))) => {
            Ok(ask_both(page_request, signed_in_user, Route::RemoveSecondFactor, Some(sentence)).answer())
        }
        Err(page_error) => Err(page_error),
    }
}

/// Makes new recovery codes and shows them.
pub(super) fn renew(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    form: &Form,
) -> Result<Response, PageError> {
    let renewed = check_both(page_request, signed_in_user, form).and_then(|proof| {
        let codes = recovery_codes::generate()?;
        let (actor, id, hashes) = (signed_in_user.actor(), signed_in_user.user.id, hashes(&codes));
        page_request.shared.writer.change(move |transaction: &WriteTransaction<'_>| {
            if !actions::use_proof(transaction, &actor, id, &proof)? {
                return Err(used_before());
            }
            actions::put_recovery_codes(transaction, &actor, id, &hashes)
        })?;
        Ok(codes)
    });
    match renewed {
        Ok(codes) => Ok(show_codes(page_request, signed_in_user, codes)),
        Err(PageError::Refused(Refusal::Invalid(sentence))) => {
            Ok(ask_both(page_request, signed_in_user, Route::RecoveryCodes, Some(sentence)).answer())
        }
        Err(page_error) => Err(page_error),
    }
}
