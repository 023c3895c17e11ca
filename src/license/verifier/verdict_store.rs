//! The latest verdict and the answer behind it, in memory and in the cache file.

use std::path::Path;

use serde_json::Value;

use super::previous_key::PreviousKey;
use super::write_back::WriteBack;
use crate::license::cache::{self, Cached, CachedStatus, Told};
use crate::license::license_identity::LicenseIdentity;
use opterius_base::clock::{Now, Timestamp};
use opterius_base::secret::Secret;
use opterius_base::text::cause;
use opterius_license::address::Discovered;
use opterius_license::model::{Arrival, Denial, Grant, Record, Verdict};
use opterius_license::outcome::{Answer, Outcome};

/// The latest verdict and its cache file.
pub(super) struct VerdictStore {
    /// Can belong to an earlier key: when a mistyped key is corrected, the earlier verdict is still here.
    latest: Option<StoredVerdict>,
    previous_key: PreviousKey,
    write_back: WriteBack,
    /// What the file tells the Panel; `None` if there is none that the Panel can read.
    told: Option<Told>,
    /// Whether the file may hold a grant on the current key.
    may_hold_grant: bool,
}

/// A verdict, and the answer behind it if it was stored.
struct StoredVerdict {
    record: Record,
    answer: Option<Answer>,
}

impl VerdictStore {
    /// An empty store.
    pub(super) fn new(now: Now) -> Self {
        Self {
            latest: None,
            previous_key: PreviousKey::default(),
            write_back: WriteBack::new(now),
            told: None,
            may_hold_grant: false,
        }
    }

    /// When to write the cache file.
    pub(super) fn write_back(&self) -> &WriteBack {
        &self.write_back
    }

    /// The path of the cache file changed: the new file must be written.
    pub(super) fn file_changed(&mut self, path: &Path) {
        self.look_at(path);
        self.write_back.mark_dirty();
    }

    fn look_at(&mut self, path: &Path) {
        (self.told, self.may_hold_grant) = (cache::told(path), true);
    }

    /// Whether the file must be written: it lacks a change, or it tells the Panel something else than `view`.
    pub(super) fn is_behind(&self, view: &CachedStatus) -> bool {
        self.write_back.is_dirty() || self.contradicts(view)
    }

    /// Whether the file tells the Panel something else than `view`.
    pub(super) fn contradicts(&self, view: &CachedStatus) -> bool {
        self.told.as_ref().is_some_and(|told| *told != Told::from(view))
    }

    /// The record, if it belongs to this key.
    pub(super) fn record(&self, identity: &LicenseIdentity<'_>) -> Option<&Record> {
        self.latest.as_ref().map(|known| &known.record).filter(|record| identity.matches(record))
    }

    /// Loads the cached verdict on this key: the kept one if this is the previous key, otherwise the file's.
    pub(super) fn load(&mut self, path: &Path, identity: &LicenseIdentity<'_>) -> Result<Option<Cached>, String> {
        let file = cache::load(path);
        self.look_at(path);
        if let Some(cached) = self.previous_key.read(identity) {
            return Ok(Some(cached));
        }
        let Some(bytes) = file? else { return Ok(None) };
        let decoded = cache::decode(&bytes, &identity.question());
        if decoded.is_err() {
            self.previous_key.keep_file(&bytes);
        }
        decoded.map(Some)
    }

    /// Restores a loaded cache.
    ///
    /// A file of version 0.1.0 has no arrival. If it was written in this boot, machine time is complete all the same.
    pub(super) fn restore(&mut self, cached: Cached, boot_id: &str, now: Now) {
        let Cached { record, answer, previous_key_cache, address: _ } = cached;
        self.previous_key.replace(previous_key_cache);
        let Some(record) = record else { return };
        // Write the new boot's reading with the first check, so that later restarts in this boot continue from it.
        if record.uptime.boot_id != boot_id {
            self.write_back.mark_dirty();
        }
        let old = || Arrival { wall: record.verdict.at(), boot_id: boot_id.to_owned() };
        let arrival = record.arrival.clone().or_else(|| (record.uptime.boot_id == boot_id).then(old));
        let uptime = record.uptime.advance(boot_id, now);
        self.latest = Some(StoredVerdict { record: Record { uptime, arrival, ..record }, answer });
    }

    /// Replaces the record with a new verdict; a denial keeps the latest grant for its plan and limits. Returns whether
    /// the outcome is a verdict.
    pub(super) fn record_verdict(
        &mut self,
        outcome: &Outcome,
        answer: Answer,
        license_server: &str,
        at: Timestamp,
        identity: &LicenseIdentity<'_>,
        now: Now,
    ) -> bool {
        let verdict = match outcome.clone() {
            Outcome::Inconclusive(_) => return false,
            Outcome::Granted { terms, message } => Verdict::Granted(Grant { terms, message, at }),
            Outcome::Denied { reason, message, terms } => {
                let previous = self.record(identity).and_then(|record| record.verdict.last_grant().cloned());
                Verdict::Denied(Denial { reason, message, terms, at, previous })
            }
        };
        self.previous_key.drop_if_obsolete(&verdict, identity);
        let (host, key_sha256) = (identity.host(), identity.fingerprint().to_owned());
        let record = Record::new(verdict, &host.boot_id, now, key_sha256, host.server_id.clone());
        let record = Record { license_server: Some(license_server.to_owned()), ..record };
        self.latest = Some(StoredVerdict { record, answer: Some(answer) });
        self.write_back.mark_dirty();
        true
    }

    /// Rechecks the verdict against changed trusted keys, and sets it aside if they do not confirm it: it counts again if
    /// they were mistyped.
    ///
    /// # Errors
    /// Why they do not.
    pub(super) fn confirm(
        &mut self,
        identity: &LicenseIdentity<'_>,
        address: Option<Discovered>,
    ) -> Result<(), String> {
        let Some(known) = self.latest.as_mut().filter(|_| identity.requires_signature()) else { return Ok(()) };
        match cache::confirm(known.record.clone(), known.answer.as_ref(), &identity.question()) {
            Ok(record) => known.record = record,
            Err(cause) => {
                self.keep_previous_key(identity, address);
                self.latest = None;
                return Err(cause);
            }
        }
        Ok(())
    }

    /// Keeps the verdict on the key being replaced until the new key has a grant.
    pub(super) fn keep_previous_key(&mut self, replaced: &LicenseIdentity<'_>, address: Option<Discovered>) {
        if let Some(known) = &self.latest {
            let (record, answer) = (known.record.clone(), known.storable_answer(replaced.key()));
            let cached = Cached { record: Some(record), answer, address, previous_key_cache: None };
            self.previous_key.keep(&cached, replaced);
        }
    }

    /// Adds the machine time used up to `now`; returns the record, if it belongs to this key.
    pub(super) fn advance_uptime(&mut self, identity: &LicenseIdentity<'_>, now: Now) -> Option<&Record> {
        let known = self.latest.as_mut().filter(|known| identity.matches(&known.record))?;
        known.record.uptime = known.record.uptime.advance(&identity.host().boot_id, now);
        Some(&known.record)
    }

    /// Writes the cache file. Without a verdict on this key, only if the file tells the Panel something else than `view`,
    /// and the verdict on the previous key stays in it: a mistyped key never overwrites the correct one's verdict.
    ///
    /// # Errors
    /// Why the file was not written, and whether the old one still counts.
    pub(super) fn write(
        &mut self,
        path: &Path,
        view: &CachedStatus,
        address: Option<Discovered>,
        identity: &LicenseIdentity<'_>,
        now: Now,
    ) -> Result<(), String> {
        let known = self.latest.as_ref().filter(|known| identity.matches(&known.record));
        if known.is_none() && !self.contradicts(view) {
            return Ok(());
        }
        let cached = Cached {
            record: known.map(|known| known.record.clone()),
            answer: known.and_then(|known| known.storable_answer(identity.key())),
            address,
            previous_key_cache: self.previous_key.file().cloned(),
        };
        let is_denied = cached.record.as_ref().is_some_and(|record| matches!(record.verdict, Verdict::Denied(_)));
        let written = cache::encode(view, &cached, &identity.question())
            .and_then(|bytes| cache::store(path, &bytes).map_err(|error| cause(&error)));
        self.write_back.note_attempt(written.is_ok(), now);
        match written {
            Ok(()) => (self.told, self.may_hold_grant) = (Some(Told::from(view)), !is_denied),
            Err(cause) if is_denied && self.may_hold_grant => return Err(format!("{cause}{}", self.withdraw(path))),
            Err(cause) if self.contradicts(view) => return Err(format!("{cause}; the Panel still reads the old file")),
            Err(cause) => return Err(cause),
        }
        Ok(())
    }

    /// Prevents an old file from reviving an earlier grant; says whether that worked.
    fn withdraw(&mut self, path: &Path) -> String {
        match cache::withdraw(path) {
            Ok(()) => {
                (self.told, self.may_hold_grant) = (None, false);
                "; the old file was removed or emptied, so that an earlier grant does not count again".to_owned()
            }
            Err(error) => format!(
                "; the old file cannot be removed either ({}): the Panel still reads it, and after a restart without the \
                 license server an earlier grant counts again",
                cause(&error)
            ),
        }
    }
}

impl StoredVerdict {
    /// The answer, if it is signed and does not contain the license key: all users can read the file.
    fn storable_answer(&self, key: &Secret) -> Option<Answer> {
        self.answer.clone().filter(|answer| !answer.signature.is_empty() && !echoes(answer, key))
    }
}

/// Whether the answer contains the license key, plain or JSON-escaped.
fn echoes(answer: &Answer, key: &Secret) -> bool {
    let plain = String::from_utf8_lossy(&answer.body);
    let unescaped = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default().to_string();
    [plain.as_ref(), &unescaped, &answer.signature].iter().any(|text| key.is_in(text))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::license::state::HostIdentity;
    use opterius_license::model::Terms;
    use opterius_license::outcome::{Failure, FailureClass};
    use opterius_license::signature::TrustedKeys;

    const KEY: &str = "AAAABBBB-CCCCDDDD";
    const SERVER: &str = "https://license.example.com";

    fn host(boot_id: &str) -> HostIdentity {
        let word = |word: &str| word.to_owned();
        HostIdentity { server_id: word("server"), boot_id: word(boot_id), hostname: word("host"), os: word("os") }
    }

    fn at(boot: u64) -> Now {
        Now { wall: Timestamp::from_unix(0), boot: Duration::from_secs(boot) }
    }

    fn granted(plan: &str) -> Outcome {
        let terms = Terms { plan: Some(plan.to_owned()), ..Terms::default() };
        Outcome::Granted { terms, message: String::new() }
    }

    fn denied() -> Outcome {
        Outcome::Denied { reason: "suspended".into(), message: "Unpaid.".into(), terms: Terms::default() }
    }

    #[test]
    fn a_verdict_replaces_the_previous_one_and_a_denial_keeps_the_latest_grant() {
        let (key, host, trusted) = (Secret::new(KEY.to_owned()), host("boot"), TrustedKeys::default());
        let identity = LicenseIdentity::new(&key, &host, &trusted);
        let mut store = VerdictStore::new(at(0));
        let record_verdict = |store: &mut VerdictStore, outcome: &Outcome| {
            store.record_verdict(outcome, Answer::default(), SERVER, Timestamp::from_unix(1), &identity, at(1))
        };
        let nothing = Outcome::Inconclusive(Failure::new(FailureClass::Network, "the name is not known"));
        assert!(
            !record_verdict(&mut store, &nothing)
                && store.record(&identity).is_none()
                && !store.write_back().is_dirty()
        );
        assert!(record_verdict(&mut store, &granted("free")) && store.write_back().is_dirty());
        for _ in 0..2 {
            assert!(record_verdict(&mut store, &denied()));
            assert!(!record_verdict(&mut store, &nothing));
            let verdict = &store.record(&identity).unwrap().verdict;
            assert!(matches!(verdict, Verdict::Denied(_)));
            assert_eq!(verdict.last_grant().unwrap().terms.plan.as_deref(), Some("free"));
        }
        let other = Secret::new("another".into());
        assert!(store.record(&LicenseIdentity::new(&other, &host, &trusted)).is_none());
    }

    #[test]
    fn the_first_start_in_a_boot_is_stored_and_its_time_counts() {
        let (key, trusted) = (Secret::new(KEY.to_owned()), TrustedKeys::default());
        let (first, second) = (host("boot-1"), host("boot-2"));
        let mut store = VerdictStore::new(at(100));
        let identity = LicenseIdentity::new(&key, &first, &trusted);
        store.record_verdict(&granted("free"), Answer::default(), SERVER, Timestamp::from_unix(1), &identity, at(100));
        let record = store.advance_uptime(&identity, at(160)).unwrap().clone();
        let cached = Cached { record: Some(record), answer: None, address: None, previous_key_cache: None };

        let identity = LicenseIdentity::new(&key, &second, &trusted);
        for (boot_id, is_dirty) in [("boot-1", false), ("boot-2", true)] {
            let mut store = VerdictStore::new(at(5));
            store.restore(cached.clone(), boot_id, at(160));
            assert_eq!(store.write_back().is_dirty(), is_dirty, "{boot_id}");
            assert_eq!(store.record(&identity).unwrap().uptime.used, Duration::from_secs(60));
        }
    }

    #[test]
    fn an_unsigned_answer_or_one_that_echoes_the_key_is_not_stored() {
        let key = Secret::new(KEY.to_owned());
        let table = [
            ("", r#"{"valid":true}"#, false),
            ("signature", r#"{"valid":true}"#, true),
            ("signature", r#"{"key":"aaaabbbb-ccccdddd"}"#, false),
            ("signature", r#"{"key":"\u0041AAABBBB-CCCCDDDD"}"#, false),
            ("AAAABBBB-CCCCDDDD", "{}", false),
        ];
        let (host, trusted) = (host("boot"), TrustedKeys::default());
        let identity = LicenseIdentity::new(&key, &host, &trusted);
        for (signature, body, is_stored) in table {
            let answer = Answer { signature: signature.to_owned(), body: body.into(), ..Answer::default() };
            let mut store = VerdictStore::new(at(0));
            store.record_verdict(&granted("free"), answer, SERVER, Timestamp::from_unix(1), &identity, at(0));
            let storable = store.latest.unwrap().storable_answer(&key);
            assert_eq!(storable.is_some(), is_stored, "{signature} {body}");
        }
    }
}
