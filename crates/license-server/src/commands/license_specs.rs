//! The commands on licenses. A change of a license is one row, and is done by what does all of them.

use crate::commands::given::Given;
use crate::commands::spec::CommandSpec;
use crate::commands::task::{NewTerms, Task};
use crate::commands::values::{self, shown};
use crate::model::{Action, Billing, Change};

/// In the order of the help.
pub(super) const LICENSES: &[CommandSpec] = &[
    CommandSpec {
        words: &["license", "create"],
        operands: &[],
        options: &["--owner NAME", "--plan SLUG", "[--expires DATE]", "[--lock-ip IP]", "[--json]"],
        about: "make a license and print its number and its key",
        tells: Some(Action::Created),
        read: Some(create),
    },
    CommandSpec {
        words: &["license", "list"],
        operands: &[],
        options: &["[--owner NAME]", "[--search TEXT]", "[--all]", "[--json]"],
        about: "the newest 50 licenses, or all; TEXT is a number, the beginning of a key, or an owner",
        tells: None,
        read: Some(list),
    },
    CommandSpec {
        words: &["license", "show"],
        operands: &["ID"],
        options: &["[--reveal-key]", "[--json]"],
        about: "one license with its servers and its latest history",
        tells: Some(Action::KeyShown),
        read: Some(show),
    },
    CommandSpec {
        words: &["license", "suspend"],
        operands: &["ID"],
        options: &[],
        about: "no use for now",
        tells: Some(Action::Suspended),
        read: Some(|given| change(given, Change::Suspend)),
    },
    CommandSpec {
        words: &["license", "resume"],
        operands: &["ID"],
        options: &[],
        about: "use again, after a suspension or a cancellation",
        tells: Some(Action::Resumed),
        read: Some(|given| change(given, Change::Resume)),
    },
    CommandSpec {
        words: &["license", "cancel"],
        operands: &["ID"],
        options: &[],
        about: "no use any more",
        tells: Some(Action::Cancelled),
        read: Some(|given| change(given, Change::Cancel)),
    },
    CommandSpec {
        words: &["license", "delete"],
        operands: &["ID"],
        options: &["[--yes]"],
        about: "delete it with its activations; its history stays",
        tells: Some(Action::Deleted),
        read: Some(|given| Ok(Task::DeleteLicense { license: given.license()?, confirmed: given.flag("yes") })),
    },
    CommandSpec {
        words: &["license", "renew"],
        operands: &["ID"],
        options: &["--until DATE"],
        about: "set when it ends; DATE may be never",
        tells: Some(Action::Renewed),
        read: Some(|given| change(given, Change::Renew(values::date_or_never(&given.needed("until")?)?))),
    },
    CommandSpec {
        words: &["license", "set-plan"],
        operands: &["ID", "SLUG"],
        options: &[],
        about: "give it another plan",
        tells: Some(Action::PlanChanged),
        read: Some(|given| change(given, Change::SetPlan(given.operand(1)?))),
    },
    CommandSpec {
        words: &["license", "lock-ip"],
        operands: &["ID", "IP"],
        options: &[],
        about: "allow its use at this address alone",
        tells: Some(Action::Locked),
        read: Some(|given| change(given, Change::LockIp(given.ip(1)?))),
    },
    CommandSpec {
        words: &["license", "unlock-ip"],
        operands: &["ID"],
        options: &[],
        about: "allow its use at any address",
        tells: Some(Action::Unlocked),
        read: Some(|given| change(given, Change::UnlockIp)),
    },
    CommandSpec {
        words: &["license", "revoke"],
        operands: &["ID", "IP"],
        options: &[],
        about: "free the slot of a server",
        tells: Some(Action::Revoked),
        read: Some(|given| Ok(Task::Revoke { license: given.license()?, ip: given.ip(1)? })),
    },
    CommandSpec {
        words: &["license", "move"],
        operands: &["ID", "FROM", "TO"],
        options: &[],
        about: "give the slot or the lock of an address to another",
        tells: Some(Action::Moved),
        read: Some(|given| Ok(Task::Move { from: given.ip(1)?, to: given.ip(2)?, license: given.license()? })),
    },
    CommandSpec {
        words: &["license", "set-billing"],
        operands: &["ID"],
        options: &["--status STATUS", "[--period-end DATE]", "[--cancel-at-period-end]"],
        about: "set what Panels show: active, past_due, trialing, canceled or none",
        tells: Some(Action::BillingChanged),
        read: Some(|given| change(given, Change::SetBilling(billing(given)?))),
    },
    CommandSpec {
        words: &["history"],
        operands: &["[ID]"],
        options: &["[--all]", "[--json]"],
        about: "the latest 50 changes of a license or of everything, or all of them",
        tells: None,
        read: Some(history),
    },
];

fn change(given: &Given, change: Change) -> Result<Task, String> {
    Ok(Task::ChangeLicense { license: given.license()?, change })
}

fn create(given: &Given) -> Result<Task, String> {
    let expires_at = given.text("expires")?.map(|text| values::date_or_never(&text)).transpose()?.flatten();
    let locked_ip = given.text("lock-ip")?.map(|text| values::ip(&text)).transpose()?;
    let (owner, plan) = (given.needed("owner")?, given.needed("plan")?);
    Ok(Task::CreateLicense { owner, new: NewTerms { plan, expires_at, locked_ip }, json: given.flag("json") })
}

fn list(given: &Given) -> Result<Task, String> {
    let (owner, search) = (given.text("owner")?, given.text("search")?);
    Ok(Task::ListLicenses { owner, search, all: given.flag("all"), json: given.flag("json") })
}

fn show(given: &Given) -> Result<Task, String> {
    let (reveal_key, json) = (given.flag("reveal-key"), given.flag("json"));
    Ok(Task::ShowLicense { license: given.license()?, reveal_key, json })
}

fn history(given: &Given) -> Result<Task, String> {
    let license = if given.operands.is_empty() { None } else { Some(given.license()?) };
    Ok(Task::History { license, all: given.flag("all"), json: given.flag("json") })
}

fn billing(given: &Given) -> Result<Billing, String> {
    let status = given.needed("status")?;
    let current_period_end = given.text("period-end")?.map(|text| values::date(&text)).transpose()?;
    let ends = given.flag("cancel-at-period-end");
    match status.as_str() {
        "none" if current_period_end.is_some() || ends => {
            Err("--period-end and --cancel-at-period-end tell of a subscription, and --status none of none".to_owned())
        }
        "none" => Ok(Billing::default()),
        "active" | "past_due" | "trialing" | "canceled" => {
            Ok(Billing { subscription_status: Some(status), cancel_at_period_end: Some(ends), current_period_end })
        }
        other => Err(format!("--status “{}” must be active, past_due, trialing, canceled or none", shown(other))),
    }
}
