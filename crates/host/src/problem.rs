//! Why an operation was not done: one variant for each thing that a caller does differently, and one sentence each.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

/// Why an operation was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A field breaks a rule. Nothing was changed.
    Invalid {
        /// The field's name.
        field: String,
        /// The rule, as the end of a sentence that begins with the field's name.
        rule: String,
    },
    /// The license allows no more accounts.
    AccountLimit {
        /// Accounts that there are.
        used: u64,
        /// Accounts that are allowed.
        limit: u64,
        /// The plan that allows them, where it is known.
        plan: Option<String>,
    },
    /// What the request is about is not there.
    NotFound(String),
    /// What is there already is in the way.
    Conflict(String),
    /// This host has not what the operation needs.
    Unavailable(String),
    /// It took too long and was stopped.
    TimedOut(String),
    /// It was tried, did not work, and was undone.
    Failed(String),
}

/// What a person does about the account limit.
const LIMIT_HELP: &str =
    "Move the license to a larger plan in the license dashboard, or delete an account that is not needed any more.";

impl Problem {
    /// A field breaks a rule.
    pub fn invalid(field: &str, rule: impl Into<String>) -> Self {
        Self::Invalid { field: field.to_owned(), rule: rule.into() }
    }

    /// It did not work: what was tried, and what the system said.
    pub fn failed(what: &str, cause: impl std::fmt::Display) -> Self {
        Self::Failed(format!("{what}: {cause}"))
    }

    /// It did not work with a file: which, and what the system said.
    pub fn at(path: &Path, error: io::Error) -> Self {
        Self::failed(&path.display().to_string(), error)
    }

    /// The status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Invalid { .. } => 422,
            Self::AccountLimit { .. } => 403,
            Self::NotFound(_) => 404,
            Self::Conflict(_) => 409,
            Self::Unavailable(_) => 503,
            Self::TimedOut(_) => 504,
            Self::Failed(_) => 500,
        }
    }

    /// The word for it, which the Panel shows.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "validation_failed",
            Self::AccountLimit { .. } => "account_limit_reached",
            Self::NotFound(_) => "not_found",
            Self::Conflict(_) => "conflict",
            Self::Unavailable(_) => "operations_unavailable",
            Self::TimedOut(_) => "operation_timeout",
            Self::Failed(_) => "operation_failed",
        }
    }

    /// The sentence for it.
    pub fn message(&self) -> String {
        match self {
            Self::Invalid { field, rule } => format!("“{field}” {rule}."),
            Self::AccountLimit { used, limit, .. } => {
                format!("The license allows {limit} accounts on this server, and {used} are in use.")
            }
            Self::NotFound(sentence)
            | Self::Conflict(sentence)
            | Self::Unavailable(sentence)
            | Self::TimedOut(sentence)
            | Self::Failed(sentence) => sentence.clone(),
        }
    }

    /// The body of the answer: `error` and `message` are texts, as the Panel needs them.
    pub fn body(&self) -> Value {
        let mut body = json!({"error": self.code(), "message": self.message()});
        let more = match self {
            Self::Invalid { field, .. } => vec![("field", json!(field))],
            Self::AccountLimit { used, limit, plan } => {
                vec![("used", json!(used)), ("limit", json!(limit)), ("plan", json!(plan)), ("help", json!(LIMIT_HELP))]
            }
            _ => Vec::new(),
        };
        if let Some(members) = body.as_object_mut() {
            members.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_the_form_that_the_panel_reads() {
        let table = [
            (Problem::invalid("domain", "is missing"), 422, "validation_failed"),
            (Problem::AccountLimit { used: 5, limit: 5, plan: Some("free".into()) }, 403, "account_limit_reached"),
            (Problem::NotFound("No.".into()), 404, "not_found"),
            (Problem::Conflict("No.".into()), 409, "conflict"),
            (Problem::Unavailable("No.".into()), 503, "operations_unavailable"),
            (Problem::TimedOut("No.".into()), 504, "operation_timeout"),
            (Problem::failed("useradd", "no"), 500, "operation_failed"),
        ];
        for (problem, status, code) in table {
            let body = problem.body();
            assert_eq!((problem.status(), body["error"].as_str()), (status, Some(code)));
            assert!(body["message"].as_str().unwrap().ends_with('.') || status == 500, "{body}");
        }
    }

    #[test]
    fn the_account_limit_tells_all_that_a_person_needs() {
        let body = Problem::AccountLimit { used: 7, limit: 5, plan: None }.body();
        assert_eq!((&body["used"], &body["limit"], &body["plan"]), (&json!(7), &json!(5), &Value::Null));
        assert!(body["help"].as_str().unwrap().contains("plan"));
    }
}
