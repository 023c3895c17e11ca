//! The users, for administrators.

use askama::Template;

use super::account::SessionRow;
use super::confirm_page::ConfirmPage;
use super::field::{Field, FieldKind};
use super::form::{Form, encode};
use super::page::{self, Layout};
use super::page_error::PageError;
use super::page_request::PageRequest;
use super::routes::Route;
use super::signed_in_user::SignedInUser;
use super::user_action::UserAction;
use crate::actions::{self, NewLink, NewUser, Refusal, UserChange};
use crate::link_delivery::{DeliveredLink, deliver};
use crate::model::user_name::folded;
use crate::model::{LinkPurpose, User};
use crate::store::{Error, WriteTransaction};
use opterius_base::dates::{Moment, counted};
use opterius_http::response::Response;

/// Users per page.
const PAGE_SIZE: usize = 50;

/// Licenses are counted up to this number.
const MAX_COUNTED: u32 = 1000;

#[derive(Template)]
#[template(path = "users.html", config = "src/dashboard/askama.toml")]
struct UsersPage {
    layout: Layout,
    search: String,
    rows: Vec<User>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "user.html", config = "src/dashboard/askama.toml")]
struct UserPage {
    layout: Layout,
    user: User,
    licenses: String,
    owned: String,
    created: Moment,
    disabled: Option<Moment>,
    second_factor: Option<Moment>,
    sessions: Vec<SessionRow>,
    user_actions: Vec<(Route, UserAction, &'static str)>,
}

#[derive(Template)]
#[template(path = "link.html", config = "src/dashboard/askama.toml")]
struct LinkPage<'a> {
    layout: Layout,
    user: &'a User,
    ends: Moment,
    delivered: &'a DeliveredLink,
    back: Route,
}

/// Renders the list.
pub(super) fn list(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    query: &Form,
) -> Result<Response, PageError> {
    let search: String = query.text("q").chars().take(254).collect();
    let (beginning, after) = (folded(&search), query.text("after").to_owned());
    let count = u32::try_from(PAGE_SIZE).unwrap_or(u32::MAX).saturating_add(1);
    let (mut rows, by_mail) = page_request.shared.readers.read(|transaction| {
        let named = transaction.list_users(&after, &beginning, count)?;
        let by_mail = if search.is_empty() || !after.is_empty() {
            Vec::new()
        } else {
            transaction.users_by_mail(&search, count)?
        };
        Ok::<_, Error>((named, by_mail))
    })?;
    let more = rows.len() > PAGE_SIZE;
    rows.truncate(PAGE_SIZE);
    let next = rows
        .last()
        .filter(|_| more)
        .map(|last| format!("{}?q={}&after={}", Route::Users, encode(&search), encode(&folded(&last.name))));
    let known: Vec<i64> = rows.iter().map(|user| user.id).collect();
    rows.extend(by_mail.into_iter().filter(|user| !known.contains(&user.id)).take(PAGE_SIZE));
    let layout = page_request.layout(signed_in_user, "users");
    Ok(page::html(200, "Users", &UsersPage { layout, search, rows, next }))
}

fn read(page_request: &PageRequest, id: i64) -> Result<(User, u32), PageError> {
    let found = page_request.shared.readers.read(|transaction| {
        let Some((user, _)) = transaction.user_with_id(id)? else { return Ok(None) };
        Ok::<_, Error>(Some((user, transaction.count_licenses_of(id, MAX_COUNTED.saturating_add(1))?)))
    })?;
    found.ok_or_else(|| Refusal::NotFound(format!("There is no user {id}.")).into())
}

/// Renders the page of a user.
pub(super) fn show(page_request: &PageRequest, signed_in_user: &SignedInUser, id: i64) -> Result<Response, PageError> {
    let now = page_request.shared.clock.wall();
    let (user, licenses) = read(page_request, id)?;
    let sessions = page_request.shared.readers.read(|transaction| transaction.sessions(id, now))?;
    let is_offered = |action: &UserAction| match action {
        UserAction::Edit | UserAction::Delete => true,
        UserAction::Link | UserAction::Disable => user.disabled_at.is_none(),
        UserAction::Enable => user.disabled_at.is_some(),
        UserAction::EndSessions => !sessions.is_empty(),
        UserAction::ResetSecondFactor => user.second_factor_at.is_some(),
    };
    let label = |action: UserAction| match action {
        UserAction::Edit => "Edit",
        UserAction::Link if user.has_password => "Make a reset link",
        UserAction::Link => "Invite",
        UserAction::Disable => "Disable",
        UserAction::Enable => "Enable",
        UserAction::EndSessions => "Sign out everywhere",
        UserAction::ResetSecondFactor => "Remove second factor",
        UserAction::Delete => "Delete user",
    };
    let actions = UserAction::ALL.into_iter().filter(is_offered);
    let user_actions = actions.map(|action| (Route::UserAction(id, action), action, label(action))).collect();
    let page = UserPage {
        layout: page_request.layout(signed_in_user, "users"),
        licenses: if licenses > MAX_COUNTED { format!("{MAX_COUNTED}+") } else { licenses.to_string() },
        owned: format!("{}?q={}", Route::Licenses, encode(&user.name)),
        created: Moment::new(user.created_at, now),
        disabled: user.disabled_at.map(|at| Moment::new(at, now)),
        second_factor: user.second_factor_at.map(|at| Moment::new(at, now)),
        sessions: sessions.into_iter().map(|session| SessionRow::new(session, "", now)).collect(),
        user_actions,
        user,
    };
    Ok(page::html(200, &page.user.name, &page))
}

fn text_field(name: &'static str, label: &'static str, value: &str, hint: &'static str, required: bool) -> Field {
    Field { name, label, value: value.to_owned(), hint, required, ..Field::default() }
}

fn role_field(value: &str) -> Field {
    let option = |value: &str, label: &str| (value.to_owned(), label.to_owned());
    Field {
        name: "role",
        label: "Role",
        kind: FieldKind::Select,
        value: value.to_owned(),
        required: true,
        options: vec![
            option("owner", "Owner: sees the own licenses"),
            option("administrator", "Administrator: sees and changes everything"),
        ],
        ..Field::default()
    }
}

const MAIL_HINT: &str = "Links to set a password are sent here, if this server can send mail.";

/// Renders the form of a new user.
pub(super) fn show_new(page_request: &PageRequest, signed_in_user: &SignedInUser) -> Result<Response, PageError> {
    Ok(new_form(page_request, signed_in_user, &Form::default(), None).answer())
}

fn new_form(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    form: &Form,
    error: Option<String>,
) -> ConfirmPage {
    ConfirmPage {
        layout: page_request.layout(signed_in_user, "users"),
        title: "New user".to_owned(),
        action: Route::NewUser,
        heading: "New user".to_owned(),
        confirm_text: vec!["You get a link with which the user sets a password, once, within 7 days.".to_owned()],
        hidden: Vec::new(),
        fields: vec![
            text_field("user", "Sign-in name", form.text("user"), "Letters, digits and . _ - @ +, in any case.", true),
            text_field("display", "Display name", form.text("display"), "", false),
            text_field("mail", "E-mail", form.text("mail"), MAIL_HINT, false),
            role_field(form.text("role")),
        ],
        confirm: "Create user",
        dangerous: false,
        back: Route::Users,
        back_label: "Go back",
        error,
    }
}

/// Creates a user, and shows the invitation.
pub(super) fn act_new(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    form: &Form,
) -> Result<Response, PageError> {
    let new = NewUser {
        name: form.text("user").to_owned(),
        display_name: form.text("display").to_owned(),
        mail: Some(form.text("mail").to_owned()),
        password_hash: String::new(),
        administrator: form.text("role") == "administrator",
    };
    let actor = signed_in_user.actor();
    let created = page_request.shared.writer.change(move |transaction: &WriteTransaction<'_>| {
        let id = actions::create_user(transaction, &actor, &new)?;
        actions::make_password_link(transaction, &actor, id, LinkPurpose::Invitation)
    });
    match created {
        Ok(link) => Ok(show_link(page_request, signed_in_user, &link)),
        Err(Refusal::Invalid(sentence) | Refusal::Conflict(sentence)) => {
            Ok(new_form(page_request, signed_in_user, form, Some(sentence)).answer())
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// Sends the link if it can be sent, and shows it in any case.
fn show_link(page_request: &PageRequest, signed_in_user: &SignedInUser, link: &NewLink) -> Response {
    let delivered = deliver(&page_request.config, link, true);
    let page = LinkPage {
        layout: page_request.layout(signed_in_user, "users"),
        user: &link.user,
        ends: Moment::new(link.ends_at, page_request.shared.clock.wall()),
        delivered: &delivered,
        back: Route::User(link.user.id),
    };
    page::html(200, "Link", &page)
}

/// Renders the page that explains the action.
pub(super) fn ask(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    id: i64,
    action: UserAction,
) -> Result<Response, PageError> {
    Ok(confirm_page(page_request, signed_in_user, id, action, None, None)?.answer())
}

fn confirm_page(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    id: i64,
    action: UserAction,
    form: Option<&Form>,
    error: Option<String>,
) -> Result<ConfirmPage, PageError> {
    let (user, licenses) = read(page_request, id)?;
    let name = &user.name;
    let (heading, text, confirm) = match action {
        UserAction::Edit => (format!("Edit {name}"), String::new(), "Save"),
        UserAction::Link if user.has_password => (
            format!("Make a reset link for {name}"),
            "You get a link with which the user sets a new password, once, within an hour. Until then the present password \
             stays valid."
                .to_owned(),
            "Make link",
        ),
        UserAction::Link => (
            format!("Invite {name}"),
            "You get a link with which the user sets a password, once, within 7 days. An earlier link becomes invalid."
                .to_owned(),
            "Invite",
        ),
        UserAction::Disable => (
            format!("Disable {name}"),
            "The user is signed out everywhere at once and cannot sign in. The user's licenses keep working.".to_owned(),
            "Disable user",
        ),
        UserAction::Enable => (format!("Enable {name}"), "The user can sign in again.".to_owned(), "Enable user"),
        UserAction::EndSessions => (
            format!("Sign out {name} everywhere"),
            "All sessions of the user end at once. The user can sign in again.".to_owned(),
            "Sign out everywhere",
        ),
        UserAction::ResetSecondFactor => (
            format!("Remove the second factor of {name}"),
            "The user signs in with the password alone. Make sure that it is the user who asks for this. All sessions of \
             the user end."
                .to_owned(),
            "Remove second factor",
        ),
        UserAction::Delete => {
            let owns = match licenses {
                0 => "The user owns no licenses.".to_owned(),
                licenses => format!("The user owns {}: name the user who gets them.", counted(licenses, "license")),
            };
            (format!("Delete {name}"), format!("{owns} The history is kept."), "Delete user")
        }
    };
    let value = |name: &str, stored: &str| form.map_or(stored, |form| form.text(name)).to_owned();
    let fields = match action {
        UserAction::Edit => vec![
            text_field("user", "Sign-in name", &value("user", name), "", true),
            text_field("display", "Display name", &value("display", &user.display_name), "", false),
            text_field("mail", "E-mail", &value("mail", user.mail.as_deref().unwrap_or_default()), MAIL_HINT, false),
            role_field(&value("role", user.role())),
        ],
        UserAction::Delete if licenses > 0 => {
            vec![text_field("heir", "New owner of the licenses", &value("heir", ""), "The name of a user.", true)]
        }
        _ => Vec::new(),
    };
    Ok(ConfirmPage {
        layout: page_request.layout(signed_in_user, "users"),
        title: heading.clone(),
        action: Route::UserAction(id, action),
        heading,
        confirm_text: vec![text],
        hidden: Vec::new(),
        fields,
        confirm,
        dangerous: action.is_dangerous(),
        back: Route::User(id),
        back_label: if action == UserAction::Delete { "Keep the user" } else { "Go back" },
        error,
    })
}

/// Performs the action.
pub(super) fn act(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    id: i64,
    action: UserAction,
    form: &Form,
) -> Result<Response, PageError> {
    if action == UserAction::Link {
        let (actor, (user, _)) = (signed_in_user.actor(), read(page_request, id)?);
        let purpose = if user.has_password { LinkPurpose::Reset } else { LinkPurpose::Invitation };
        let link = page_request.shared.writer.change(move |transaction: &WriteTransaction<'_>| {
            actions::make_password_link(transaction, &actor, id, purpose)
        })?;
        return Ok(show_link(page_request, signed_in_user, &link));
    }
    match perform(page_request, signed_in_user, id, action, form) {
        Ok(sentence) => {
            let page = if action == UserAction::Delete { Route::Users } else { Route::User(id) };
            Ok(page_request.redirect_with_flash(&signed_in_user.token, page, &sentence))
        }
        Err(Refusal::Invalid(sentence) | Refusal::Conflict(sentence)) => {
            Ok(confirm_page(page_request, signed_in_user, id, action, Some(form), Some(sentence))?.answer())
        }
        Err(Refusal::NotFound(sentence)) if action == UserAction::Delete => {
            Ok(confirm_page(page_request, signed_in_user, id, action, Some(form), Some(sentence))?.answer())
        }
        Err(refusal) => Err(refusal.into()),
    }
}

fn perform(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    id: i64,
    action: UserAction,
    form: &Form,
) -> Result<String, Refusal> {
    let actor = signed_in_user.actor();
    let text = |name: &str| form.get(name).map(|text| text.trim().to_owned());
    let change = UserChange {
        name: text("user"),
        display_name: text("display"),
        mail: text("mail"),
        administrator: text("role").map(|role| role == "administrator"),
    };
    let heir = text("heir").filter(|heir| !heir.is_empty());
    page_request.shared.writer.change(move |transaction: &WriteTransaction<'_>| match action {
        UserAction::Edit => actions::change_user(transaction, &actor, id, &change),
        UserAction::Disable => actions::disable_user(transaction, &actor, id),
        UserAction::Enable => actions::enable_user(transaction, &actor, id),
        UserAction::EndSessions => actions::end_sessions(transaction, &actor, id, None),
        UserAction::ResetSecondFactor => actions::remove_second_factor(transaction, &actor, id, None),
        UserAction::Delete => actions::delete_user(transaction, &actor, id, heir.as_deref()),
        // Its page shows the link; see `act`.
        UserAction::Link => Ok(String::new()),
    })
}
