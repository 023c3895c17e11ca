//! Adding a token of the vendor API. It outlives the session and all others of the user, so the form asks for the password.

use super::confirm_page::ConfirmPage;
use super::field::{Field, FieldKind, typed_date};
use super::form::Form;
use super::page_error::PageError;
use super::page_request::PageRequest;
use super::password_check;
use super::routes::Route;
use super::secret_page::SecretPage;
use super::signed_in_user::SignedInUser;
use super::tokens;
use crate::actions::{self, Refusal, TokenField, TokenTerms, WrongTerm, wrong_terms};
use crate::model::Scope;
use crate::network::parse_networks;
use opterius_base::secret::Secret;
use opterius_base::text::one_line;
use opterius_http::response::Response;

/// The most characters of a wrong network in a message.
const MAX_SHOWN: usize = 80;

/// An error beside a field: its name, and the sentence.
type FieldError = (&'static str, String);

/// Renders the form.
pub(super) fn show(page_request: &PageRequest, signed_in_user: &SignedInUser) -> Result<Response, PageError> {
    ask(page_request, signed_in_user, &Form::default(), &[])
}

/// The form, with what was typed and what is wrong with it.
fn ask(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    form: &Form,
    errors: &[FieldError],
) -> Result<Response, PageError> {
    let mut fields = fields(form);
    for field in &mut fields {
        field.error = errors.iter().find(|(name, _)| *name == field.name).map(|(_, sentence)| sentence.clone());
    }
    let confirm_page = ConfirmPage {
        layout: page_request.layout(signed_in_user, "api-tokens"),
        title: "New API token".to_owned(),
        action: Route::NewApiToken,
        heading: "New API token".to_owned(),
        confirm_text: vec!["The next page shows the token. It is shown only once.".to_owned()],
        hidden: vec![("once", tokens::random()?)],
        fields,
        confirm: "Add token",
        dangerous: false,
        back: Route::ApiTokens,
        back_label: "Go back",
        error: None,
    };
    Ok(confirm_page.answer())
}

fn fields(form: &Form) -> Vec<Field> {
    let value = |name: &str| form.text(name).to_owned();
    let chosen: Vec<&str> = chosen_scopes(form).map(Scope::as_str).collect();
    vec![
        Field {
            name: "token",
            label: "Name",
            value: value("token"),
            hint: "The program that gets the token, such as shop. The history shows it.",
            required: true,
            ..Field::default()
        },
        Field {
            name: "scopes",
            label: "Scopes",
            kind: FieldKind::Checkboxes,
            value: chosen.join(" "),
            hint: "What the program may do. Choose no more than it needs.",
            options: Scope::ALL.iter().map(|scope| (scope.as_str().to_owned(), about(*scope).to_owned())).collect(),
            ..Field::default()
        },
        Field {
            name: "until",
            label: "Last day",
            kind: FieldKind::Date,
            value: value("until"),
            hint: "The token is valid through this day (UTC). Leave empty for a token that never ends.",
            ..Field::default()
        },
        Field {
            name: "networks",
            label: "Source networks",
            value: value("networks"),
            hint: "Addresses and networks that calls may come from, such as 203.0.113.5, 2001:db8::/32. Leave empty for all.",
            ..Field::default()
        },
        Field {
            name: "password",
            label: "Your current password",
            kind: FieldKind::Password,
            hint: "The token works on when you sign out.",
            required: true,
            autocomplete: "current-password",
            ..Field::default()
        },
    ]
}

fn about(scope: Scope) -> &'static str {
    match scope {
        Scope::LicensesRead => "view licenses, servers and plans; keys are masked",
        Scope::LicensesWrite => "create and change licenses, servers and plans",
        Scope::KeysReveal => "view full license keys",
        Scope::UsersWrite => "view, create and change users",
        Scope::EventsRead => "read the history, and webhooks with their deliveries",
        Scope::WebhooksWrite => "add, test and remove webhooks, change their secrets, and send events again",
    }
}

fn chosen_scopes(form: &Form) -> impl Iterator<Item = Scope> {
    Scope::ALL.iter().copied().filter(|scope| form.get(&Field::checkbox("scopes", scope.as_str())).is_some())
}

/// Adds the token and shows it.
pub(super) fn act(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    form: &Form,
) -> Result<Response, PageError> {
    let again = |errors: &[FieldError]| ask(page_request, signed_in_user, form, errors);
    let (terms, wrong) = typed_terms(form);
    let wrong = [wrong, wrong_terms(&terms, page_request.shared.clock.wall())].concat();
    if !wrong.is_empty() {
        return again(&wrong.into_iter().map(|wrong| (name(wrong.field), wrong.sentence)).collect::<Vec<_>>());
    }
    let password = Secret::new(form.get("password").unwrap_or_default().to_owned());
    match password_check::check(page_request, &signed_in_user.user.name, &password) {
        Err(PageError::Refused(Refusal::Invalid(sentence))) => return again(&[("password", sentence)]),
        checked => checked?,
    };
    let actor = signed_in_user.actor();
    let added = page_request.create_once(form, move |transaction| {
        let (token, text) = actions::add_token(transaction, &actor, &terms)?;
        Ok((token.id, (token.name, text)))
    });
    match added {
        Ok((_, Some((name, text)))) => Ok(secret_page(page_request, signed_in_user, &name, &text)),
        Ok((_, None)) => {
            let sentence = "The token was added already. It is not shown again.";
            Ok(page_request.redirect_with_flash(&signed_in_user.token, Route::ApiTokens, sentence))
        }
        Err(Refusal::Conflict(sentence)) => again(&[(name(TokenField::Name), sentence)]),
        Err(refusal) => Err(refusal.into()),
    }
}

/// The terms as far as they can be read, and what cannot.
fn typed_terms(form: &Form) -> (TokenTerms, Vec<WrongTerm>) {
    let mut wrong = Vec::new();
    let mut add = |field, sentence| wrong.push(WrongTerm { field, sentence });
    let networks = parse_networks(form.text("networks")).unwrap_or_else(|(word, error)| {
        add(TokenField::Networks, format!("“{}” {error}.", one_line(word, MAX_SHOWN)));
        Vec::new()
    });
    let expires_at = typed_date(form, "until").unwrap_or_else(|refusal| {
        add(TokenField::End, refusal.to_string());
        None
    });
    let terms =
        TokenTerms { name: form.text("token").to_owned(), scopes: chosen_scopes(form).collect(), networks, expires_at };
    (terms, wrong)
}

/// The field of the form for a term.
fn name(field: TokenField) -> &'static str {
    match field {
        TokenField::Name => "token",
        TokenField::Scopes => "scopes",
        TokenField::Networks => "networks",
        TokenField::End => "until",
    }
}

fn secret_page(page_request: &PageRequest, signed_in_user: &SignedInUser, name: &str, text: &Secret) -> Response {
    let page = SecretPage {
        layout: page_request.layout(signed_in_user, "api-tokens"),
        heading: format!("Token {name}"),
        explanation: vec![
            "Send it with each call, in the header Authorization: Bearer, and keep it secret.".to_owned(),
        ],
        secret: text.expose(),
        next: Route::ApiTokens,
        next_label: "Go to the API tokens",
    };
    page.answer()
}
