//! The verdict on the previous license key: after a mistyped key is corrected, the earlier grant is still there, even if
//! the server denied the mistyped one.

use crate::license::cache::{self, Cached, CachedStatus};
use crate::license::license_identity::LicenseIdentity;
use opterius_license::model::Verdict;

/// The cache file of the previous key, kept until the current key has a grant.
#[derive(Debug, Default)]
pub(super) struct PreviousKey(Option<Vec<u8>>);

impl PreviousKey {
    /// The file, to embed in the current key's file.
    pub(super) fn file(&self) -> Option<&Vec<u8>> {
        self.0.as_ref()
    }

    /// The kept verdict, if `identity` has the previous key.
    pub(super) fn read(&self, identity: &LicenseIdentity<'_>) -> Option<Cached> {
        cache::decode(self.0.as_deref()?, &identity.question()).ok()
    }

    /// Keeps the verdict on the key being replaced, if it is a grant.
    pub(super) fn keep(&mut self, known: &Cached, identity: &LicenseIdentity<'_>) {
        let Some(record) = known.record.as_ref().filter(|record| identity.matches(record)) else { return };
        if !matches!(record.verdict, Verdict::Granted(_)) {
            return;
        }
        let view = CachedStatus::new(false, None, String::new(), record.verdict.terms());
        self.0 = cache::encode(&view, known, &identity.question()).ok();
    }

    /// Keeps a cache file that is ignored, or the one embedded in it.
    pub(super) fn keep_file(&mut self, bytes: &[u8]) {
        self.replace(cache::kept(bytes));
    }

    /// Keeps `file` instead, if there is one.
    pub(super) fn replace(&mut self, file: Option<Vec<u8>>) {
        self.0 = file.or_else(|| self.0.take());
    }

    /// Drops the kept file once its own key has a verdict or another key has a grant.
    pub(super) fn drop_if_obsolete(&mut self, verdict: &Verdict, identity: &LicenseIdentity<'_>) {
        let is_other_keys = |bytes: &Vec<u8>| cache::belongs_elsewhere(bytes, &identity.question());
        self.0 = self.0.take().filter(|bytes| matches!(verdict, Verdict::Denied(_)) && is_other_keys(bytes));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::license::state::HostIdentity;
    use opterius_base::clock::{Now, Timestamp};
    use opterius_base::secret::Secret;
    use opterius_license::model::{Denial, Grant, Record, Terms, Uptime};
    use opterius_license::signature::TrustedKeys;

    fn host() -> HostIdentity {
        let word = |word: &str| word.to_owned();
        HostIdentity { server_id: word("server"), boot_id: word("boot"), hostname: word("host"), os: word("os") }
    }

    fn granted() -> Verdict {
        Verdict::Granted(Grant { terms: Terms::default(), message: String::new(), at: Timestamp::from_unix(1) })
    }

    fn denied() -> Verdict {
        let (reason, message) = ("suspended".to_owned(), "Unpaid.".to_owned());
        Verdict::Denied(Denial {
            reason,
            message,
            terms: Terms::default(),
            at: Timestamp::from_unix(1),
            previous: None,
        })
    }

    fn known(verdict: Verdict, identity: &LicenseIdentity<'_>) -> Cached {
        let uptime = Uptime::start("boot", Now { wall: Timestamp::from_unix(1), boot: Duration::ZERO });
        let (key_sha256, server_id) = (identity.fingerprint().to_owned(), "server".to_owned());
        Cached {
            record: Some(Record { verdict, arrival: None, uptime, key_sha256, server_id, license_server: None }),
            answer: None,
            address: None,
            previous_key_cache: None,
        }
    }

    #[test]
    fn a_grant_is_kept_until_another_key_has_one() {
        let (good, mistyped) = (Secret::new("GOODGOOD".into()), Secret::new("BADBAD".into()));
        let (host, trusted) = (host(), TrustedKeys::default());
        let good = LicenseIdentity::new(&good, &host, &trusted);
        let mistyped = LicenseIdentity::new(&mistyped, &host, &trusted);
        let mut previous = PreviousKey::default();
        previous.keep(&known(denied(), &good), &good);
        previous.keep(&known(granted(), &mistyped), &good);
        assert!(previous.file().is_none(), "no grant of this key");

        let grant = known(granted(), &good);
        previous.keep(&grant, &good);
        assert_eq!(previous.read(&good), Some(grant));
        assert_eq!(previous.read(&mistyped), None);
        previous.drop_if_obsolete(&denied(), &mistyped);
        assert!(previous.read(&good).is_some(), "the server denied a different key");
        previous.drop_if_obsolete(&granted(), &mistyped);
        assert!(previous.file().is_none());
    }

    #[test]
    fn a_new_verdict_on_the_same_key_drops_the_file() {
        let key = Secret::new("GOODGOOD".into());
        let (host, trusted) = (host(), TrustedKeys::default());
        let identity = LicenseIdentity::new(&key, &host, &trusted);
        for verdict in [granted(), denied()] {
            let mut previous = PreviousKey::default();
            previous.keep(&known(granted(), &identity), &identity);
            previous.drop_if_obsolete(&verdict, &identity);
            assert!(previous.file().is_none());
        }
    }
}
