//! What administrators do to a license as a whole. One of these is a row, with the sentences that its page says.

use super::facts::Facts;
use super::field::{Field, Kind, plan_option, typed_date, typed_ip};
use super::license_action::{LicenseAction, Order, Target};
use crate::model::in_words::limit;
use crate::model::{Action, Change, Status};
use opterius_base::dates::{Moment, last_day};

/// In the order in which the page of a license has their links.
pub(super) static LICENSE_ACTIONS: &[LicenseAction] = &[
    LicenseAction {
        word: "renew",
        tells: Action::Renewed,
        target: Target::License { label: "Renew", is_possible: |_| true },
        heading: |facts| format!("Renew license {}", facts.license.id),
        confirm_text: renew,
        field: Some(last_day_field),
        confirm: "Renew",
        dangerous: false,
        order: |form| Ok(Order::Change(Change::Renew(typed_date(form, "until")?))),
    },
    LicenseAction {
        word: "plan",
        tells: Action::PlanChanged,
        target: Target::License { label: "Change plan", is_possible: |_| true },
        heading: |facts| format!("Change the plan of license {}", facts.license.id),
        confirm_text: plan,
        field: Some(plan_field),
        confirm: "Change plan",
        dangerous: false,
        order: |form| Ok(Order::Change(Change::SetPlan(form.text("plan").to_owned()))),
    },
    LicenseAction {
        word: "lock",
        tells: Action::Locked,
        target: Target::License { label: "Lock to an address", is_possible: |license| license.locked_ip.is_none() },
        heading: |facts| format!("Lock license {} to an address", facts.license.id),
        confirm_text: lock,
        field: Some(|_| Field::address("ip", "Address")),
        confirm: "Lock",
        dangerous: false,
        order: |form| Ok(Order::Change(Change::LockIp(typed_ip(form, "ip")?))),
    },
    LicenseAction {
        word: "unlock",
        tells: Action::Unlocked,
        target: Target::License { label: "Unlock", is_possible: |license| license.locked_ip.is_some() },
        heading: |facts| format!("Unlock license {}", facts.license.id),
        confirm_text: unlock,
        field: None,
        confirm: "Unlock",
        dangerous: false,
        order: |_| Ok(Order::Change(Change::UnlockIp)),
    },
    LicenseAction {
        word: "suspend",
        tells: Action::Suspended,
        target: Target::License { label: "Suspend", is_possible: |license| license.status == Status::Active },
        heading: |facts| format!("Suspend license {}", facts.license.id),
        confirm_text: suspend,
        field: None,
        confirm: "Suspend",
        dangerous: true,
        order: |_| Ok(Order::Change(Change::Suspend)),
    },
    LicenseAction {
        word: "resume",
        tells: Action::Resumed,
        target: Target::License { label: "Resume", is_possible: |license| license.status != Status::Active },
        heading: |facts| format!("Resume license {}", facts.license.id),
        confirm_text: resume,
        field: None,
        confirm: "Resume",
        dangerous: false,
        order: |_| Ok(Order::Change(Change::Resume)),
    },
    LicenseAction {
        word: "cancel",
        tells: Action::Cancelled,
        target: Target::License { label: "Cancel", is_possible: |license| license.status != Status::Cancelled },
        heading: |facts| format!("Cancel license {}", facts.license.id),
        confirm_text: cancel,
        field: None,
        confirm: "Cancel the license",
        dangerous: true,
        order: |_| Ok(Order::Change(Change::Cancel)),
    },
    LicenseAction {
        word: "delete",
        tells: Action::Deleted,
        target: Target::License { label: "Delete", is_possible: |_| true },
        heading: |facts| format!("Delete license {}", facts.license.id),
        confirm_text: delete,
        field: None,
        confirm: "Delete",
        dangerous: true,
        order: |_| Ok(Order::Delete),
    },
];

fn last_day_field(facts: &Facts) -> Field {
    Field {
        name: "until",
        label: "Last day",
        kind: Kind::Date,
        value: facts.license.expires_at.map_or(String::new(), last_day),
        hint: "The license may be used to the end of this day (UTC). Leave it empty for a license that never expires.",
        ..Field::default()
    }
}

fn plan_field(facts: &Facts) -> Field {
    Field {
        name: "plan",
        label: "Plan",
        kind: Kind::Select,
        value: facts.license.plan.slug.clone(),
        required: true,
        options: facts.plans.iter().map(plan_option).collect(),
        ..Field::default()
    }
}

fn renew(facts: &Facts) -> Vec<String> {
    let now = match facts.license.expires_at.map(|at| Moment::expiry(at, facts.now)) {
        None => "The license never expires now.".to_owned(),
        Some(end) if facts.license.is_expired(facts.now) => {
            format!("The license expired {} ({}).", end.relative, end.text)
        }
        Some(end) => format!("The license expires {} ({}).", end.relative, end.text),
    };
    vec![now, "Each server learns of the new end at its next check, within 24 hours.".to_owned()]
}

fn plan(facts: &Facts) -> Vec<String> {
    let end = "Where the new plan allows fewer servers than use the license, those that were activated first keep their \
               slots and the others are refused at their next check. Accounts that exist are not touched.";
    vec![facts.users(), end.to_owned()]
}

fn lock(_: &Facts) -> Vec<String> {
    let words = "Only the server at this address may use the license then. Any other is refused at its next check, \
                 within 24 hours.";
    vec![words.to_owned()]
}

fn unlock(facts: &Facts) -> Vec<String> {
    let ip = facts.license.locked_ip.map_or_else(|| "no address".to_owned(), |ip| ip.to_string());
    let servers = limit(facts.license.plan.max_servers);
    vec![
        format!("The license is locked to {ip} now."),
        format!("Servers at any address may use it then, as many as its plan allows: {servers}."),
    ]
}

fn suspend(facts: &Facts) -> Vec<String> {
    let end = "Each server learns of it at its next check, within 24 hours, and then refuses changes. Resume makes the \
               license usable again.";
    vec![facts.users(), end.to_owned()]
}

fn resume(facts: &Facts) -> Vec<String> {
    let mut confirm_text = vec![
        format!("It is the license of {}, and is {} now.", facts.license.owner_name, facts.license.status.word()),
        "Each server may use it again from its next check on.".to_owned(),
    ];
    if facts.license.is_expired(facts.now) {
        confirm_text.push("It has expired meanwhile, so it also has to be renewed.".to_owned());
    }
    confirm_text
}

fn cancel(facts: &Facts) -> Vec<String> {
    let end = "Each server learns of it at its next check, within 24 hours, and then refuses changes. The license and its \
               history stay here.";
    vec![facts.users(), end.to_owned()]
}

fn delete(facts: &Facts) -> Vec<String> {
    vec![
        facts.users(),
        "The license, its key and its activations are deleted and cannot be brought back; its history stays.".to_owned(),
        "Each server is told at its next check, within 24 hours, that its key is not known, and then refuses changes. To \
         end a license that may be needed again, cancel it instead."
            .to_owned(),
    ]
}
