//! `plan …`: what licenses allow.

use crate::actions;
use crate::commands::failure::Failure;
use crate::commands::listing::Listing;
use crate::commands::session::Desk;
use crate::model::Plan;
use crate::model::in_words::limit;

pub(super) fn list(desk: &mut Desk, json: bool) -> Result<(), Failure> {
    let plans = desk.read(|reader| Ok(reader.plans()?))?;
    let mut listing = Listing::new(json, &["SLUG", "TITLE", "ACCOUNTS", "SERVERS"]);
    let row = |plan: &Plan| {
        let (accounts, servers) = (limit(plan.max_accounts), limit(plan.max_servers));
        vec![plan.slug.clone(), plan.name.clone(), accounts, servers]
    };
    listing.add(&plans, row, Plan::clone)?;
    listing.end("No plans.")?;
    Ok(())
}

pub(super) fn set(desk: &mut Desk, plan: &Plan) -> Result<(), Failure> {
    desk.tell(|changes, actor| Ok(actions::set_plan(changes, actor, plan)?))
}
