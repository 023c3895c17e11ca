//! Plans.

use serde::Serialize;

use super::answer::Answer;
use super::call::Call;
use super::error::ApiError;
use super::fields::required;
use super::members::{Kind, Member};
use super::page::Page;
use crate::actions::{self, Refusal};
use crate::model::Plan;
use crate::store::{ReadTransaction, WriteTransaction};

/// The longest title of a plan.
const MAX_TITLE: usize = 64;

/// The body of a plan.
pub(super) const LIMITS: &[Member] = &[
    required("name", Kind::Line(MAX_TITLE), "The name to show."),
    required("max_accounts", Kind::Integer(0, u32::MAX as u64), "Accounts per server; 0 is unlimited."),
    required("max_servers", Kind::Integer(0, u32::MAX as u64), "Servers; 0 is unlimited."),
];

/// A plan after it was saved.
#[derive(Serialize)]
struct SavedPlan<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    /// Whether anything was changed; otherwise it was so already.
    changed: bool,
    /// Licenses that use more servers than the plan now allows, if the change lowers that.
    licenses_over_limit: u32,
    message: String,
}

/// All plans.
pub(super) fn list(transaction: &ReadTransaction<'_>, _: &Call) -> Result<Answer, ApiError> {
    Ok(Answer::json(200, &Page { data: transaction.plans()?, next: None }))
}

/// Creates or changes a plan.
pub(super) fn put(transaction: &WriteTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let integer = |name| call.body.integer(name).and_then(|value| u32::try_from(value).ok()).unwrap_or(0);
    let plan = Plan {
        slug: call.parameter("plan").to_owned(),
        name: call.body.text("name").unwrap_or_default().to_owned(),
        max_accounts: integer("max_accounts"),
        max_servers: integer("max_servers"),
    };
    if transaction.plans()?.contains(&plan) {
        let message = format!("Plan {} is like this already.", plan.slug);
        return Ok(Answer::json(200, &SavedPlan { plan: &plan, changed: false, licenses_over_limit: 0, message }));
    }
    let saved = actions::set_plan(transaction, &call.actor(), &plan).map_err(|refusal| match refusal {
        Refusal::Invalid(sentence) => ApiError::invalid("plan", sentence),
        refusal => refusal.into(),
    })?;
    Ok(Answer::json(
        200,
        &SavedPlan {
            plan: &plan,
            changed: true,
            licenses_over_limit: saved.effect.licenses_over_limit,
            message: saved.sentence,
        },
    ))
}
