//! `license …`: the commands use the rules in [`crate::actions`], as the dashboard does.

use std::io::IsTerminal;

use serde::Serialize;

use crate::PROGRAM;
use crate::actions::{self, Change, ChangeContext, CreatedLicense, LicenseTerms};
use crate::commands::failure::Failure;
use crate::commands::history::{self, EventView};
use crate::commands::listing::{emit, print_json};
use crate::commands::servers::{ActivationView, RefusedView, Servers};
use crate::commands::session::Session;
use crate::commands::values::{LicenseRef, printable};
use crate::commands::{lookup, terminal};
use crate::model::describe::{billing_summary, expiry, limit};
use crate::model::{Action, Block, License, LicenseView};
use opterius_base::clock::Timestamp;
use opterius_daemon::output::complain;

/// History entries that are shown with a license.
const HISTORY_ENTRIES: u32 = 20;

/// A license with everything about it, in JSON.
#[derive(Serialize)]
struct ShownLicense<'a> {
    #[serde(flatten)]
    license: LicenseView<'a>,
    activations: Vec<ActivationView<'a>>,
    refused_servers: Vec<RefusedView<'a>>,
    kept_out: &'a [Block],
    history: Vec<EventView>,
}

pub(super) fn create(session: &mut Session, terms: &LicenseTerms, json: bool) -> Result<(), Failure> {
    let key = actions::new_key()?;
    let CreatedLicense { license, warning } = session.change(|transaction, actor| {
        lookup::user(transaction, &terms.owner)?;
        Ok(actions::create_license(transaction, actor, terms, &key)?)
    })?;
    if !warning.is_empty() {
        complain(PROGRAM.name, warning.trim());
    }
    if json {
        return print_json(&LicenseView::new(&license, true, 0, Session::now()));
    }
    emit(&format!(
        "License {} created for {}: plan {}, expires {}{}\nlicense_key={}\nAdd the license_key=… line to the server's \
         agent.conf. To see the key again, use the dashboard or run: {} license show {} --reveal-key\n",
        license.id,
        license.owner_name,
        license.plan.name,
        expiry(license.expires_at),
        terms.locked_ip.map_or(String::new(), |ip| format!(", locked to {ip}")),
        key.expose(),
        session.target.program(),
        license.id
    ))?;
    Ok(())
}

pub(super) fn show(
    session: &mut Session,
    license_ref: &LicenseRef,
    reveal_key: bool,
    json: bool,
) -> Result<(), Failure> {
    let now = Session::now();
    if reveal_key {
        session.change(|transaction, actor| {
            let license = lookup::license(transaction, license_ref)?;
            transaction.add_event(Some(license.id), actor, Action::KeyShown, "on the command line")?;
            Ok(())
        })?;
    }
    let (license, servers, events) = session.read(|transaction| {
        let license = lookup::license(transaction, license_ref)?;
        let servers = Servers::read(transaction, &license, now)?;
        let events = transaction.history(Some(license.id), None, HISTORY_ENTRIES)?;
        Ok((license, servers, events))
    })?;
    let active = servers.active(now);
    if json {
        return print_json(&ShownLicense {
            license: LicenseView::new(&license, reveal_key, active, now),
            activations: servers.activation_views(now),
            refused_servers: servers.refused_views(),
            kept_out: servers.blocks(),
            history: events.iter().map(EventView::new).collect(),
        });
    }
    let key = if reveal_key { license.key.expose().to_owned() } else { license.key.masked() };
    let mut text = details(&license, &key, active, now);
    text.push_str(&servers.tables(&license, &session.target.program(), now));
    text.push('\n');
    text.push_str(&history::table_of(&events));
    emit(&text)?;
    Ok(())
}

fn details(license: &License, key: &str, active: u32, now: Timestamp) -> String {
    let plan = &license.plan;
    let billing = &license.billing;
    let mut lines = vec![
        ("License:", license.id.to_string()),
        ("Key:", key.to_owned()),
        ("Owner:", license.owner_name.clone()),
        ("Plan:", format!("{} ({})", plan.name, plan.slug)),
        ("Accounts:", format!("{} allowed", limit(plan.max_accounts))),
        ("Servers:", format!("{active} active, {} allowed", limit(plan.max_servers))),
        ("Status:", license.effective_status(now).to_owned()),
        ("Expires:", expiry(license.expires_at)),
        ("Locked to:", license.locked_ip.map_or("any address".to_owned(), |ip| ip.to_string())),
        ("Created:", license.created_at.to_string()),
    ];
    let mut add = |name, value: Option<String>| lines.extend(value.map(|value| (name, value)));
    add("Reason:", license.suspension_reason.clone());
    add("Trial:", license.is_trial.then(|| "yes".to_owned()));
    add("Reference:", license.reference.clone());
    add("Labels:", Some(license.labels.join(", ")).filter(|labels| !labels.is_empty()));
    add("Note:", Some(license.note.clone()).filter(|note| !note.is_empty()));
    if billing.subscription_status.is_some() {
        lines.push(("Subscription:", billing_summary(billing)));
    }
    lines.into_iter().map(|(name, value)| format!("{name:<14}{}\n", printable(&value))).collect()
}

pub(super) fn change(session: &mut Session, license_ref: &LicenseRef, change: &Change) -> Result<(), Failure> {
    session.change_and_print(|transaction, actor| {
        let id = lookup::license(transaction, license_ref)?.id;
        Ok(actions::change(transaction, &ChangeContext { actor, seen: None }, id, change)?)
    })
}

pub(super) fn transfer(session: &mut Session, license_ref: &LicenseRef, owner: &str) -> Result<(), Failure> {
    session.change_and_print(|transaction, actor| {
        let id = lookup::license(transaction, license_ref)?.id;
        let change = Change::Transfer(lookup::user(transaction, owner)?);
        Ok(actions::change(transaction, &ChangeContext { actor, seen: None }, id, &change)?)
    })
}

pub(super) fn delete(session: &mut Session, license_ref: &LicenseRef, confirmed: bool) -> Result<(), Failure> {
    let license = session.read(|transaction| lookup::license(transaction, license_ref))?;
    if !confirmed {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::refused(
                "stdin is not a terminal. To delete the license without confirmation, add --yes",
            ));
        }
        let question = format!(
            "License {} of {}, plan {}, key {}: its servers are refused at their next check. Type yes to delete it: ",
            license.id,
            license.owner_name,
            license.plan.name,
            license.key.masked()
        );
        if terminal::ask(&question)? != "yes" {
            return Err(Failure::refused("nothing was deleted"));
        }
    }
    // The operator confirmed this revision; refuse if it has changed since.
    let seen = if confirmed { None } else { Some(license.revision) };
    session.change_and_print(|transaction, actor| {
        Ok(actions::delete(transaction, &ChangeContext { actor, seen }, license.id)?)
    })
}
