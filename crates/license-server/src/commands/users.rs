//! `user …`: the users of the dashboard.

use std::io::IsTerminal;

use serde::Serialize;

use crate::PROGRAM;
use crate::actions::{MAX_TRANSFER, NewLink, NewUser, UserChange};
use crate::commands::failure::Failure;
use crate::commands::listing::{Listing, emit, print_json};
use crate::commands::session::Session;
use crate::commands::values::printable;
use crate::commands::{lookup, terminal};
use crate::link_delivery::deliver;
use crate::model::{LinkPurpose, Session as UserSession, User};
use crate::{actions, passwords};
use opterius_base::clock::Timestamp;
use opterius_base::dates::counted;
use opterius_base::text::one_line;
use opterius_daemon::output::complain;

/// A user in JSON.
#[derive(Serialize)]
struct UserView<'a> {
    id: i64,
    name: &'a str,
    display_name: &'a str,
    mail: Option<&'a str>,
    administrator: bool,
    status: &'static str,
    disabled_at: Option<Timestamp>,
    second_factor: bool,
    created_at: Timestamp,
}

impl<'a> UserView<'a> {
    fn new(user: &'a User) -> Self {
        Self {
            id: user.id,
            name: &user.name,
            display_name: &user.display_name,
            mail: user.mail.as_deref(),
            administrator: user.administrator,
            status: user.status(),
            disabled_at: user.disabled_at,
            second_factor: user.second_factor_at.is_some(),
            created_at: user.created_at,
        }
    }
}

pub(super) fn list(session: &mut Session, json: bool) -> Result<(), Failure> {
    let users = session.read(|transaction| Ok(transaction.users()?))?;
    let mut listing = Listing::new(json, &["ID", "NAME", "ROLE", "STATUS", "SINCE", "DISPLAY NAME", "E-MAIL"]);
    let row = |user: &User| {
        vec![
            user.id.to_string(),
            user.name.clone(),
            user.role().to_owned(),
            user.status().to_owned(),
            user.created_at.to_string(),
            user.display_name.clone(),
            user.mail.clone().unwrap_or_default(),
        ]
    };
    listing.add(&users, row, UserView::new)?;
    listing
        .end(&format!("No users. Add the first with: {} user add NAME --administrator", session.target.program()))?;
    Ok(())
}

/// A user in detail, in JSON.
#[derive(Serialize)]
struct UserDetails<'a> {
    #[serde(flatten)]
    user: UserView<'a>,
    licenses: u32,
    recovery_codes: u32,
    sessions: usize,
}

pub(super) fn show(session: &mut Session, name: &str, json: bool) -> Result<(), Failure> {
    let now = Session::now();
    let (user, licenses, recovery_codes, sessions) = session.read(|transaction| {
        let user = lookup::user(transaction, name)?;
        let licenses = transaction.count_licenses_of(user.id, u32::MAX)?;
        let sessions = transaction.sessions(user.id, now)?.len();
        let codes = transaction.count_recovery_codes(user.id)?;
        Ok((user, licenses, codes, sessions))
    })?;
    if json {
        return print_json(&UserDetails { user: UserView::new(&user), licenses, recovery_codes, sessions });
    }
    let factor = match user.second_factor_at {
        Some(at) => format!("since {at}, {} left", counted(recovery_codes, "recovery code")),
        None => "none".to_owned(),
    };
    let or_none = |text: &str| if text.is_empty() { "none".to_owned() } else { one_line(text, 254) };
    let facts = [
        ("User", format!("{} (number {})", one_line(&user.name, 128), user.id)),
        ("Display name", or_none(&user.display_name)),
        ("E-mail", or_none(user.mail.as_deref().unwrap_or_default())),
        ("Role", user.role().to_owned()),
        ("Status", user.status().to_owned()),
        ("Second factor", factor),
        ("Licenses", licenses.to_string()),
        ("Sessions", sessions.to_string()),
        ("Added", user.created_at.to_string()),
    ];
    emit(&facts.map(|(label, value)| format!("{label:<15}{value}\n")).concat())?;
    Ok(())
}

pub(super) fn add(session: &mut Session, new: &NewUser, invite: bool, mail: bool, json: bool) -> Result<(), Failure> {
    // Check the name before prompting for the password.
    actions::check_user_name(&new.name)?;
    if session.read(|transaction| Ok(transaction.user(&new.name)?))?.is_some() {
        return Err(Failure::refused(format!("User “{}” already exists.", printable(&new.name))));
    }
    let mut new = new.clone();
    if !invite {
        new.password_hash = ask_for_hash(&new.name)?;
    }
    let link = session.change(|transaction, actor| {
        let id = actions::create_user(transaction, actor, &new)?;
        let invited = || actions::make_password_link(transaction, actor, id, LinkPurpose::Invitation);
        Ok(if invite { Some(invited()?) } else { None })
    })?;
    if !json {
        let what = if new.administrator { "an administrator" } else { "a license owner" };
        emit(&format!("User {} added as {what}.\n", new.name))?;
    }
    match link {
        Some(link) => show_link(session, &link, mail, json),
        None if json => {
            let user = session.read(|transaction| lookup::user(transaction, &new.name))?;
            print_json(&UserView::new(&user))
        }
        None => Ok(()),
    }
}

pub(super) fn change(session: &mut Session, name: &str, change: &UserChange) -> Result<(), Failure> {
    session.change_and_print(|transaction, actor| {
        Ok(actions::change_user(transaction, actor, lookup::user(transaction, name)?.id, change)?)
    })
}

pub(super) fn set_password(session: &mut Session, name: &str) -> Result<(), Failure> {
    let user = session.read(|transaction| lookup::user(transaction, name))?;
    let hash = ask_for_hash(&user.name)?;
    session.change(|transaction, actor| Ok(actions::set_password(transaction, actor, &user.name, &hash)?))?;
    emit(&format!("Password of {} changed. All sessions of the user have ended.\n", user.name))?;
    Ok(())
}

/// A link in JSON.
#[derive(Serialize)]
struct LinkView<'a> {
    user: &'a str,
    purpose: LinkPurpose,
    path: &'a str,
    url: Option<&'a str>,
    ends_at: Timestamp,
    mailed_to: Option<&'a str>,
    warning: Option<&'a str>,
}

pub(super) fn make_password_link(
    session: &mut Session,
    name: &str,
    purpose: LinkPurpose,
    mail: bool,
    json: bool,
) -> Result<(), Failure> {
    let link = session.change(|transaction, actor| {
        let user = lookup::user(transaction, name)?;
        Ok(actions::make_password_link(transaction, actor, user.id, purpose)?)
    })?;
    show_link(session, &link, mail, json)
}

/// Sends the link if `mail`, and prints it.
fn show_link(session: &Session, link: &NewLink, mail: bool, json: bool) -> Result<(), Failure> {
    let delivered = deliver(&session.target.config, link, mail);
    if json {
        return print_json(&LinkView {
            user: &link.user.name,
            purpose: link.purpose,
            path: link.path.expose(),
            url: delivered.is_url.then(|| delivered.link.expose()),
            ends_at: link.ends_at,
            mailed_to: delivered.mailed_to.as_deref(),
            warning: delivered.warning.as_deref(),
        });
    }
    if let Some(warning) = &delivered.warning {
        complain(PROGRAM.name, &format!("warning: {warning}"));
    }
    if !delivered.is_url {
        let sentence =
            "warning: public_url is not set in license-server.conf, so that only the path of the link is known";
        complain(PROGRAM.name, sentence);
    }
    let sent = delivered.mailed_to.as_ref().map_or(String::new(), |to| format!(" It was sent to {to}."));
    emit(&format!(
        "Link with which {} sets a password, once, until {}.{sent}\n{}\n",
        one_line(&link.user.name, 128),
        link.ends_at,
        delivered.link.expose()
    ))?;
    Ok(())
}

pub(super) fn reset_second_factor(session: &mut Session, name: &str) -> Result<(), Failure> {
    session.change_and_print(|transaction, actor| {
        let user = lookup::user(transaction, name)?;
        Ok(actions::remove_second_factor(transaction, actor, user.id, None)?)
    })
}

/// A session in JSON.
#[derive(Serialize)]
struct SessionView<'a> {
    started_at: Timestamp,
    used_at: Timestamp,
    ends_at: Timestamp,
    address: &'a str,
    browser: &'a str,
}

impl<'a> SessionView<'a> {
    fn new(session: &'a UserSession) -> Self {
        Self {
            started_at: session.started_at,
            used_at: session.used_at,
            ends_at: session.ends_at,
            address: &session.address,
            browser: &session.browser,
        }
    }
}

pub(super) fn list_sessions(session: &mut Session, name: &str, json: bool) -> Result<(), Failure> {
    let now = Session::now();
    let sessions = session.read(|transaction| {
        let user = lookup::user(transaction, name)?;
        Ok(transaction.sessions(user.id, now)?)
    })?;
    let mut listing = Listing::new(json, &["SINCE", "LAST USE", "ENDS", "ADDRESS", "BROWSER"]);
    let row = |session: &UserSession| {
        vec![
            session.started_at.to_string(),
            session.used_at.to_string(),
            session.ends_at.to_string(),
            session.address.clone(),
            session.browser.clone(),
        ]
    };
    listing.add(&sessions, row, SessionView::new)?;
    listing.end("The user is not signed in.")
}

pub(super) fn end_sessions(session: &mut Session, name: &str) -> Result<(), Failure> {
    session.change_and_print(|transaction, actor| {
        Ok(actions::end_sessions(transaction, actor, lookup::user(transaction, name)?.id, None)?)
    })
}

pub(super) fn disable(session: &mut Session, name: &str) -> Result<(), Failure> {
    session.change_and_print(|transaction, actor| {
        Ok(actions::disable_user(transaction, actor, lookup::user(transaction, name)?.id)?)
    })
}

pub(super) fn enable(session: &mut Session, name: &str) -> Result<(), Failure> {
    session.change_and_print(|transaction, actor| {
        Ok(actions::enable_user(transaction, actor, lookup::user(transaction, name)?.id)?)
    })
}

pub(super) fn delete(session: &mut Session, name: &str, heir: Option<&str>, confirmed: bool) -> Result<(), Failure> {
    let (user, mut licenses) = session.read(|transaction| {
        let user = lookup::user(transaction, name)?;
        let licenses = transaction.count_licenses_of(user.id, u32::MAX)?;
        Ok((user, licenses))
    })?;
    if licenses > 0 && heir.is_none() {
        return Err(Failure::refused(format!(
            "User “{}” owns {}. Name the user who gets them: opterius-license-server user delete {} --transfer-to NAME",
            user.name,
            counted(licenses, "license"),
            user.name
        )));
    }
    if !confirmed {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::refused(
                "stdin is not a terminal. To delete the user without confirmation, add --yes",
            ));
        }
        let question = format!("User {} with {}. Type yes to delete: ", user.name, counted(licenses, "license"));
        if terminal::ask(&question)? != "yes" {
            return Err(Failure::refused("nothing was deleted"));
        }
    }
    // In steps, so that a server beside this command answers in between.
    while let Some(heir) = heir.filter(|_| usize::try_from(licenses).is_ok_and(|licenses| licenses > MAX_TRANSFER)) {
        licenses = session.change(|transaction, actor| {
            actions::transfer_licenses(transaction, actor, user.id, heir)?;
            Ok(transaction.count_licenses_of(user.id, u32::MAX)?)
        })?;
    }
    session.change_and_print(|transaction, actor| Ok(actions::delete_user(transaction, actor, user.id, heir)?))
}

fn ask_for_hash(name: &str) -> Result<String, Failure> {
    let password = terminal::password(name)?;
    passwords::check(&password).map_err(Failure::refused)?;
    passwords::hash(&password).map_err(Failure::refused)
}
