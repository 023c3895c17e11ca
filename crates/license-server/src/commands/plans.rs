//! `plan …`: the limits of licenses.

use std::io::IsTerminal;

use crate::actions;
use crate::commands::failure::Failure;
use crate::commands::listing::Listing;
use crate::commands::session::Session;
use crate::commands::terminal;
use crate::commands::values::printable;
use crate::model::Plan;
use crate::model::describe::limit;

pub(super) fn list(session: &mut Session, json: bool) -> Result<(), Failure> {
    let plans = session.read(|transaction| Ok(transaction.plans()?))?;
    let mut listing = Listing::new(json, &["SLUG", "TITLE", "ACCOUNTS", "SERVERS"]);
    let row = |plan: &Plan| {
        let (accounts, servers) = (limit(plan.max_accounts), limit(plan.max_servers));
        vec![plan.slug.clone(), plan.name.clone(), accounts, servers]
    };
    listing.add(&plans, row, Plan::clone)?;
    listing.end("No plans.")?;
    Ok(())
}

pub(super) fn set(session: &mut Session, plan: &Plan, confirmed: bool) -> Result<(), Failure> {
    let effect = session.read(|transaction| Ok(actions::plan_effect(transaction, plan, Session::now())?))?;
    if let Some(effect) = effect.sentence.filter(|_| !confirmed) {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::refused(format!(
                "the plan was not changed. {effect} stdin is not a terminal: to change the plan all the same, add --yes"
            )));
        }
        let question = format!("{effect} Type yes to change the plan {}: ", printable(&plan.slug));
        if terminal::ask(&question)? != "yes" {
            return Err(Failure::refused("the plan was not changed"));
        }
    }
    session.change_and_print(|transaction, actor| Ok(actions::set_plan(transaction, actor, plan)?.sentence))
}
