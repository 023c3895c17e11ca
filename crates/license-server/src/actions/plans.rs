//! Creating and changing plans.

use super::refusal::Refusal;
use crate::model::describe::limit;
use crate::model::{ACTIVE_TIME, Action, Actor, Plan};
use crate::store::{Error, ReadTransaction, WriteTransaction};
use opterius_base::clock::Timestamp;

/// Licenses over a limit that are counted.
const MAX_COUNTED: u32 = 1000;

/// Creates or changes a plan and returns the message for the user.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn set_plan(transaction: &WriteTransaction<'_>, actor: &Actor, plan: &Plan) -> Result<String, Refusal> {
    let is_slug = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if plan.slug.is_empty() || plan.slug.len() > 32 || !plan.slug.bytes().all(is_slug) {
        return Err(Refusal::Invalid(format!(
            "“{}” is not a valid plan name. Use 1 to 32 lower-case letters, digits and hyphens.",
            plan.slug
        )));
    }
    if plan.name.trim().is_empty() || plan.name.chars().count() > 64 || plan.name.chars().any(char::is_control) {
        return Err(Refusal::Invalid("A plan's title must have 1 to 64 characters on one line.".to_owned()));
    }
    let effect =
        plan_effect(transaction, plan, transaction.now())?.map_or(String::new(), |effect| format!(" {effect}"));
    transaction.put_plan(plan)?;
    let limits = format!("{} accounts, {} servers", limit(plan.max_accounts), limit(plan.max_servers));
    transaction.add_event(None, actor, Action::PlanSet, &format!("{}: {limits}", plan.slug))?;
    Ok(format!("Plan {} saved: {limits}.{effect}", plan.slug))
}

/// What the change does to licenses that use more servers than the plan then allows, as sentences; `None` if there are none.
///
/// # Errors
/// A store error.
pub fn plan_effect(transaction: &ReadTransaction<'_>, plan: &Plan, now: Timestamp) -> Result<Option<String>, Error> {
    let before = transaction.plans()?.into_iter().find(|before| before.slug == plan.slug);
    let is_smaller = |before: &Plan| before.max_servers == 0 || before.max_servers > plan.max_servers;
    if plan.max_servers == 0 || !before.as_ref().is_some_and(is_smaller) {
        return Ok(None);
    }
    let since = now.minus(ACTIVE_TIME);
    let count = transaction.licenses_with_more(plan, since, MAX_COUNTED.saturating_add(1))?;
    let licenses = match count {
        0 => return Ok(None),
        1 => "1 license of this plan has".to_owned(),
        count if count > MAX_COUNTED => format!("More than {MAX_COUNTED} licenses of this plan have"),
        count => format!("{count} licenses of this plan have"),
    };
    let servers = if plan.max_servers == 1 {
        "1 active server".to_owned()
    } else {
        format!("{} active servers", plan.max_servers)
    };
    Ok(Some(format!(
        "{licenses} more than {servers}: those activated first keep their slots, and the others are refused at their next \
         check."
    )))
}
