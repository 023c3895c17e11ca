//! The commands on what is not a license: the server itself, plans, users, and signing keys.

use std::path::PathBuf;

use crate::commands::given::Given;
use crate::commands::spec::CommandSpec;
use crate::commands::task::Task;
use crate::commands::values;
use crate::model::{Action, Plan};

pub(super) const SERVER: &[CommandSpec] = &[
    CommandSpec {
        words: &["init"],
        operands: &[],
        options: &[],
        about: "make the database and the signing key; nothing is ever overwritten",
        tells: None,
        read: Some(|_| Ok(Task::Init)),
    },
    CommandSpec {
        words: &["serve"],
        operands: &[],
        options: &[],
        about: "run the license server in the foreground",
        tells: None,
        read: None,
    },
    CommandSpec {
        words: &["check"],
        operands: &[],
        options: &["[--json]"],
        about: "check settings, database and keys, and name what is wrong",
        tells: None,
        read: Some(|given| Ok(Task::Check { json: given.flag("json") })),
    },
    CommandSpec {
        words: &["backup"],
        operands: &["FILE"],
        options: &[],
        about: "copy the database, of one moment, to a new file; also while serve runs",
        tells: None,
        read: Some(|given| Ok(Task::Backup { file: given.operands.first().map(PathBuf::from).unwrap_or_default() })),
    },
];

pub(super) const PLANS_AND_USERS: &[CommandSpec] = &[
    CommandSpec {
        words: &["plan", "list"],
        operands: &[],
        options: &["[--json]"],
        about: "what the plans allow",
        tells: None,
        read: Some(|given| Ok(Task::ListPlans { json: given.flag("json") })),
    },
    CommandSpec {
        words: &["plan", "set"],
        operands: &["SLUG"],
        options: &["--title NAME", "--max-accounts N", "--max-servers N"],
        about: "make a plan or change it, for all its licenses at once; 0 is unlimited",
        tells: Some(Action::PlanSet),
        read: Some(|given| Ok(Task::SetPlan(plan(given)?))),
    },
    CommandSpec {
        words: &["user", "list"],
        operands: &[],
        options: &["[--json]"],
        about: "who may sign in to the dashboard",
        tells: None,
        read: Some(|given| Ok(Task::ListUsers { json: given.flag("json") })),
    },
    CommandSpec {
        words: &["user", "add"],
        operands: &["NAME"],
        options: &["[--administrator]"],
        about: "make a user; asks for the password, or reads it from stdin",
        tells: Some(Action::UserAdded),
        read: Some(|given| Ok(Task::AddUser { name: given.operand(0)?, administrator: given.flag("administrator") })),
    },
    CommandSpec {
        words: &["user", "passwd"],
        operands: &["NAME"],
        options: &[],
        about: "set a user's password and end the user's sessions",
        tells: Some(Action::PasswordChanged),
        read: Some(|given| Ok(Task::SetPassword { name: given.operand(0)? })),
    },
];

pub(super) const SIGNING_KEYS: &[CommandSpec] = &[
    CommandSpec {
        words: &["keys", "show"],
        operands: &[],
        options: &["[--json]"],
        about: "the public keys, and their line for agent.conf",
        tells: None,
        read: Some(|given| Ok(Task::ShowKeys { json: given.flag("json") })),
    },
    CommandSpec {
        words: &["keys", "rotate"],
        operands: &[],
        options: &["[--json]"],
        about: "add a new key; answers are signed with both from then on",
        tells: Some(Action::KeysChanged),
        read: Some(|given| Ok(Task::RotateKeys { json: given.flag("json") })),
    },
    CommandSpec {
        words: &["keys", "retire"],
        operands: &[],
        options: &["[--force]", "[--json]"],
        about: "end the old key, 30 days after rotate at the earliest",
        tells: Some(Action::KeysChanged),
        read: Some(|given| Ok(Task::RetireKeys { forced: given.flag("force"), json: given.flag("json") })),
    },
];

fn plan(given: &Given) -> Result<Plan, String> {
    let limit = |name| values::integer(name, &given.needed(name)?, u32::MAX);
    let (max_accounts, max_servers) = (limit("max-accounts")?, limit("max-servers")?);
    Ok(Plan { slug: given.operand(0)?, name: given.needed("title")?, max_accounts, max_servers })
}
