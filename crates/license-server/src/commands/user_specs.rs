//! The commands for the users of the dashboard.

use crate::actions::{NewUser, UserChange};
use crate::commands::arguments::Arguments;
use crate::commands::spec::CommandSpec;
use crate::commands::task::Task;
use crate::commands::values::printable;
use crate::model::{Action, LinkPurpose};

pub(super) const USERS: &[CommandSpec] = &[
    CommandSpec {
        words: &["user", "list"],
        operands: &[],
        options: &["[--json]"],
        about: "list the dashboard users",
        history_action: None,
        read: Some(|arguments| Ok(Task::ListUsers { json: arguments.flag("json") })),
    },
    CommandSpec {
        words: &["user", "show"],
        operands: &["NAME"],
        options: &["[--json]"],
        about: "show a user with its number of licenses and sessions",
        history_action: None,
        read: Some(|arguments| Ok(Task::ShowUser { name: arguments.operand(0)?, json: arguments.flag("json") })),
    },
    CommandSpec {
        words: &["user", "add"],
        operands: &["NAME"],
        options: &[
            "[--administrator]",
            "[--display-name TEXT]",
            "[--mail ADDRESS]",
            "[--invite]",
            "[--no-mail]",
            "[--json]",
        ],
        about: "add a user; prompts for the password, or reads it from stdin, or invites the user to set one",
        history_action: Some(Action::UserAdded),
        read: Some(add),
    },
    CommandSpec {
        words: &["user", "set"],
        operands: &["NAME"],
        options: &["[--name NEW]", "[--display-name TEXT]", "[--mail ADDRESS]", "[--role ROLE]"],
        about: "change a user; ROLE is administrator or owner, and an empty ADDRESS removes the address",
        history_action: Some(Action::UserChanged),
        read: Some(set),
    },
    CommandSpec {
        words: &["user", "passwd"],
        operands: &["NAME"],
        options: &[],
        about: "set a user's password and end the user's sessions",
        history_action: Some(Action::PasswordChanged),
        read: Some(|arguments| Ok(Task::SetPassword { name: arguments.operand(0)? })),
    },
    CommandSpec {
        words: &["user", "invite"],
        operands: &["NAME"],
        options: &["[--no-mail]", "[--json]"],
        about: "make a link, good for 7 days, with which a user without a password sets one",
        history_action: Some(Action::UserInvited),
        read: Some(|arguments| link(arguments, LinkPurpose::Invitation)),
    },
    CommandSpec {
        words: &["user", "reset"],
        operands: &["NAME"],
        options: &["[--no-mail]", "[--json]"],
        about: "make a link, good for an hour, with which a user sets a new password",
        history_action: Some(Action::PasswordLinkMade),
        read: Some(|arguments| link(arguments, LinkPurpose::Reset)),
    },
    CommandSpec {
        words: &["user", "reset-second-factor"],
        operands: &["NAME"],
        options: &[],
        about: "remove a user's second factor and end the user's sessions",
        history_action: Some(Action::SecondFactorRemoved),
        read: Some(|arguments| Ok(Task::ResetSecondFactor { name: arguments.operand(0)? })),
    },
    CommandSpec {
        words: &["user", "sessions"],
        operands: &["NAME"],
        options: &["[--json]"],
        about: "list where a user is signed in",
        history_action: None,
        read: Some(|arguments| Ok(Task::ListSessions { name: arguments.operand(0)?, json: arguments.flag("json") })),
    },
    CommandSpec {
        words: &["user", "sign-out"],
        operands: &["NAME"],
        options: &[],
        about: "end all sessions of a user",
        history_action: Some(Action::SessionsEnded),
        read: Some(|arguments| Ok(Task::EndSessions { name: arguments.operand(0)? })),
    },
    CommandSpec {
        words: &["user", "disable"],
        operands: &["NAME"],
        options: &[],
        about: "end a user's sessions and refuse further sign-ins; the user's licenses keep working",
        history_action: Some(Action::UserDisabled),
        read: Some(|arguments| Ok(Task::DisableUser { name: arguments.operand(0)? })),
    },
    CommandSpec {
        words: &["user", "enable"],
        operands: &["NAME"],
        options: &[],
        about: "let a disabled user sign in again",
        history_action: Some(Action::UserEnabled),
        read: Some(|arguments| Ok(Task::EnableUser { name: arguments.operand(0)? })),
    },
    CommandSpec {
        words: &["user", "delete"],
        operands: &["NAME"],
        options: &["[--transfer-to NAME]", "[--yes]"],
        about: "delete a user, whose licenses go to another user; the history is kept",
        history_action: Some(Action::UserDeleted),
        read: Some(|arguments| {
            Ok(Task::DeleteUser {
                name: arguments.operand(0)?,
                heir: arguments.text("transfer-to")?,
                confirmed: arguments.flag("yes"),
            })
        }),
    },
];

fn add(arguments: &Arguments) -> Result<Task, String> {
    let new = NewUser {
        name: arguments.operand(0)?,
        display_name: arguments.text("display-name")?.unwrap_or_default(),
        mail: arguments.text("mail")?,
        password_hash: String::new(),
        administrator: arguments.flag("administrator"),
    };
    let (invite, mail) = (arguments.flag("invite"), !arguments.flag("no-mail"));
    Ok(Task::AddUser { new, invite, mail, json: arguments.flag("json") })
}

fn set(arguments: &Arguments) -> Result<Task, String> {
    let administrator = match arguments.text("role")?.as_deref() {
        None => None,
        Some("administrator") => Some(true),
        Some("owner") => Some(false),
        Some(other) => return Err(format!("--role “{}” must be administrator or owner", printable(other))),
    };
    let change = UserChange {
        name: arguments.text("name")?,
        display_name: arguments.text("display-name")?,
        mail: arguments.text("mail")?,
        administrator,
    };
    if change == UserChange::default() {
        return Err("nothing to change. Use --name, --display-name, --mail or --role".to_owned());
    }
    Ok(Task::ChangeUser { name: arguments.operand(0)?, change })
}

fn link(arguments: &Arguments, purpose: LinkPurpose) -> Result<Task, String> {
    let (name, mail) = (arguments.operand(0)?, !arguments.flag("no-mail"));
    Ok(Task::MakePasswordLink { name, purpose, mail, json: arguments.flag("json") })
}
