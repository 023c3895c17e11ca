//! `plan …`: the limits of licenses.

use crate::actions;
use crate::commands::failure::Failure;
use crate::commands::listing::Listing;
use crate::commands::session::Session;
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

pub(super) fn set(session: &mut Session, plan: &Plan) -> Result<(), Failure> {
    session.change_and_print(|transaction, actor| Ok(actions::set_plan(transaction, actor, plan)?))
}
