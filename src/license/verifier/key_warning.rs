//! The warning that the license server signs with an older key only: at most once a day.

use std::time::Duration;

use log::warn;

use opterius_base::clock::Now;
use opterius_license::schedule;
use opterius_license::signature::SignedBy;

/// When the warning was last logged, on the boot clock.
#[derive(Debug, Default)]
pub(super) struct KeyWarning(Option<Duration>);

impl KeyWarning {
    /// Warns about an answer signed with an older key only, unless it did so within the last day.
    pub(super) fn note(&mut self, signed_by: Option<SignedBy>, now: Now) {
        if self.is_due(signed_by, now) {
            warn!(
                "The license server signs with an older key only: update the Agent or license_public_key in agent.conf"
            );
            self.0 = Some(now.boot);
        }
    }

    fn is_due(&self, signed_by: Option<SignedBy>, now: Now) -> bool {
        let warned_recently = self.0.is_some_and(|at| now.boot.saturating_sub(at) < schedule::INTERVAL);
        signed_by == Some(SignedBy::OlderKey) && !warned_recently
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opterius_base::clock::Timestamp;

    #[test]
    fn an_older_key_is_reported_once_a_day() {
        let at = |boot| Now { wall: Timestamp::from_unix(0), boot: Duration::from_secs(boot) };
        let mut warning = KeyWarning::default();
        assert!(!warning.is_due(None, at(0)) && !warning.is_due(Some(SignedBy::CurrentKey), at(0)));
        assert!(warning.is_due(Some(SignedBy::OlderKey), at(0)));
        warning.note(Some(SignedBy::OlderKey), at(0));
        assert!(!warning.is_due(Some(SignedBy::OlderKey), at(86_399)));
        assert!(warning.is_due(Some(SignedBy::OlderKey), at(86_400)));
    }
}
