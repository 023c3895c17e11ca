//! Creating and changing plans.

use super::refusal::Refusal;
use crate::model::describe::limit;
use crate::model::{Action, Actor, Plan};
use crate::store::WriteTransaction;

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
    transaction.put_plan(plan)?;
    let limits = format!("{} accounts, {} servers", limit(plan.max_accounts), limit(plan.max_servers));
    transaction.add_event(None, actor, Action::PlanSet, &format!("{}: {limits}", plan.slug))?;
    Ok(format!("Plan {} saved: {limits}.", plan.slug))
}
