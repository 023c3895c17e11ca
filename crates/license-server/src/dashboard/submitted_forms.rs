//! Makes form submissions idempotent: a double click or a reload does not create a second license.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// The maximum number of remembered forms.
const MAX_FORMS: usize = 256;

/// The tokens of the latest forms, and the licenses that they created.
#[derive(Debug, Default)]
pub(super) struct SubmittedForms(Mutex<VecDeque<(String, i64)>>);

impl SubmittedForms {
    /// The license that the form with this token has created, if any.
    pub(super) fn find(&self, token: &str) -> Option<i64> {
        let forms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        forms.iter().find(|(known, _)| known == token).map(|(_, license)| *license)
    }

    /// Records the license that the form with this token has created.
    pub(super) fn record(&self, token: &str, license: i64) {
        let mut forms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if forms.len() >= MAX_FORMS {
            forms.pop_front();
        }
        forms.push_back((token.to_owned(), license));
    }

    /// Forgets the form, after its change was rolled back.
    pub(super) fn forget(&self, token: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _)| known != token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_remembered_and_memory_is_bounded() {
        let submitted_forms = SubmittedForms::default();
        assert_eq!(submitted_forms.find("a"), None);
        submitted_forms.record("a", 7);
        assert_eq!(submitted_forms.find("a"), Some(7));
        submitted_forms.forget("a");
        assert_eq!(submitted_forms.find("a"), None);
        submitted_forms.record("a", 7);
        for number in 0..300 {
            submitted_forms.record(&format!("form-{number}"), number);
        }
        assert_eq!((submitted_forms.find("a"), submitted_forms.find("form-299")), (None, Some(299)));
        assert_eq!(submitted_forms.0.lock().unwrap().len(), MAX_FORMS);
    }
}
