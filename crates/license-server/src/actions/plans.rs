//! Creating and changing plans.

use super::refusal::Refusal;
use crate::model::describe::limit_of;
use crate::model::{ACTIVE_TIME, Action, Actor, Plan};
use crate::store::{Error, ReadTransaction, WriteTransaction};
use opterius_base::clock::Timestamp;
use opterius_base::dates::counted;

/// Licenses over a limit that are counted.
const MAX_COUNTED: u32 = 1000;

/// A plan after it was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedPlan {
    /// The message for the user.
    pub sentence: String,
    /// What the change does to the licenses of the plan.
    pub effect: PlanEffect,
}

/// What the change of a plan does to its licenses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanEffect {
    /// The licenses that use more servers than the plan then allows, if the change lowers that number; counted to 1001.
    pub licenses_over_limit: u32,
    /// The same as a sentence; `None` if there are none.
    pub sentence: Option<String>,
}

/// Creates or changes a plan.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn set_plan(transaction: &WriteTransaction<'_>, actor: &Actor, plan: &Plan) -> Result<SavedPlan, Refusal> {
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
    let effect = plan_effect(transaction, plan, transaction.now())?;
    transaction.put_plan(plan)?;
    let limits = format!("{}, {}", limit_of(plan.max_accounts, "account"), limit_of(plan.max_servers, "server"));
    transaction.add_event(None, actor, Action::PlanSet, &format!("{}: {limits}", plan.slug))?;
    let over = effect.sentence.as_ref().map_or(String::new(), |sentence| format!(" {sentence}"));
    Ok(SavedPlan { sentence: format!("Plan {} saved: {limits}.{over}", plan.slug), effect })
}

/// What the change of a plan would do to its licenses.
///
/// # Errors
/// A store error.
pub fn plan_effect(transaction: &ReadTransaction<'_>, plan: &Plan, now: Timestamp) -> Result<PlanEffect, Error> {
    let before = transaction.plans()?.into_iter().find(|before| before.slug == plan.slug);
    let is_smaller = |before: &Plan| before.max_servers == 0 || before.max_servers > plan.max_servers;
    let count = if plan.max_servers > 0 && before.as_ref().is_some_and(is_smaller) {
        transaction.licenses_with_more(plan, now.minus(ACTIVE_TIME), MAX_COUNTED.saturating_add(1))?
    } else {
        0
    };
    Ok(PlanEffect { licenses_over_limit: count, sentence: sentence(plan, count) })
}

fn sentence(plan: &Plan, count: u32) -> Option<String> {
    let licenses = match count {
        0 => return None,
        1 => "1 license of this plan has".to_owned(),
        count if count > MAX_COUNTED => format!("More than {MAX_COUNTED} licenses of this plan have"),
        count => format!("{count} licenses of this plan have"),
    };
    Some(format!(
        "{licenses} more than {}: those activated first keep their slots, and the others are refused at their next check.",
        counted(plan.max_servers, "active server")
    ))
}
