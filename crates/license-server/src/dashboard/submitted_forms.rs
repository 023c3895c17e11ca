//! Forms that are sent twice, by a double click or a reload, make one license and not two.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Forms that are remembered.
const REMEMBERED: usize = 256;

/// The latest forms, and the licenses that they made.
#[derive(Debug, Default)]
pub(super) struct SubmittedForms(Mutex<VecDeque<(String, i64)>>);

impl SubmittedForms {
    /// What the form with this token made, if it was sent before.
    pub(super) fn find(&self, token: &str) -> Option<i64> {
        let made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        made.iter().find(|(known, _)| known == token).map(|(_, license)| *license)
    }

    /// Notes what the form with this token made.
    pub(super) fn record(&self, token: &str, license: i64) {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if made.len() >= REMEMBERED {
            made.pop_front();
        }
        made.push_back((token.to_owned(), license));
    }

    /// Notes that nothing came of the form after all.
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
        assert_eq!(submitted_forms.0.lock().unwrap().len(), REMEMBERED);
    }
}
