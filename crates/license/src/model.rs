//! The recorded state of a license: plain values, no clock and no I/O.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use opterius_base::clock::{Now, Timestamp};

/// Plan, limits and billing from a license server's answer.
///
/// A grant always carries `max_accounts`; a denial can leave everything out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The plan's slug, or its name, or its title.
    pub plan: Option<String>,
    /// Accounts allowed on this server; 0 is unlimited.
    pub max_accounts: Option<u64>,
    /// The older name of the same limit, which the Panel's license page shows.
    pub max_domains: Option<u64>,
    /// Servers the license may be used on; 0 is unlimited.
    pub max_servers: Option<u64>,
    /// The first instant at which the license is no longer valid; `None` means that it never expires.
    pub expires_at: Option<Timestamp>,
    /// Billing facts that only the Panel reads.
    pub billing: Billing,
}

/// Billing facts, passed through to the Panel unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Billing {
    /// `active`, `past_due`, `trialing` or `canceled`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub subscription_status: Option<String>,
    /// Whether the subscription ends with the current period.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cancel_at_period_end: Option<bool>,
    /// The day on which the current period ends, exactly as the server sent it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub current_period_end: Option<String>,
}

impl Terms {
    /// These terms, with every gap filled from `earlier`.
    pub fn or(&self, earlier: Option<&Self>) -> Self {
        let Some(earlier) = earlier else { return self.clone() };
        let billing = if self.billing == Billing::default() { &earlier.billing } else { &self.billing };
        Self {
            plan: self.plan.clone().or_else(|| earlier.plan.clone()),
            max_accounts: self.max_accounts.or(earlier.max_accounts),
            max_domains: self.max_domains.or(earlier.max_domains),
            max_servers: self.max_servers.or(earlier.max_servers),
            expires_at: self.expires_at.or(earlier.expires_at),
            billing: billing.clone(),
        }
    }
}

/// The license server confirmed the license.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Plan and limits.
    pub terms: Terms,
    /// The server's message.
    pub message: String,
    /// When the server answered, by its signed `issued_at` or its `Date` header.
    pub at: Timestamp,
}

/// The license server rejected the license.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// The server's reason, an open set; [`crate::reason`] explains the known ones.
    pub reason: String,
    /// The server's message, or our explanation of the reason.
    pub message: String,
    /// Plan and limits, where the answer included them.
    pub terms: Terms,
    /// When the server answered, by its signed `issued_at` or its `Date` header.
    pub at: Timestamp,
    /// The grant that this denial ended, kept so that its plan and limits can still be shown.
    pub previous: Option<Grant>,
}

/// The license server's latest verdict. “Latest” means last received; timestamps are never compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// The license is valid.
    Granted(Grant),
    /// The license is rejected; this stands until the next grant.
    Denied(Denial),
}

impl Verdict {
    /// When the server answered.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Granted(grant) => grant.at,
            Self::Denied(denial) => denial.at,
        }
    }

    /// The latest grant: this one, or the one that a denial ended.
    pub fn last_grant(&self) -> Option<&Grant> {
        match self {
            Self::Granted(grant) => Some(grant),
            Self::Denied(denial) => denial.previous.as_ref(),
        }
    }

    /// Plan and limits to show: the verdict's own, with gaps filled from the latest grant.
    pub fn terms(&self) -> Terms {
        match self {
            Self::Granted(grant) => grant.terms.clone(),
            Self::Denied(denial) => denial.terms.or(denial.previous.as_ref().map(|grant| &grant.terms)),
        }
    }
}

/// How long the machine has run since the verdict, summed over boots.
///
/// Nothing sets it back: it ignores wall-clock changes, and survives restarts of the daemon within one boot. It misses
/// the time between the last cache write and a reboot; the wall clock covers that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uptime {
    /// The kernel's boot ID when the reading was taken.
    pub boot_id: String,
    /// The boot clock at the reading.
    pub reading: Duration,
    /// The machine time used up to the reading.
    pub used: Duration,
}

impl Record {
    /// The record of a verdict that arrives at `now`.
    pub fn new(verdict: Verdict, boot_id: &str, now: Now, key_sha256: String, server_id: String) -> Self {
        let arrival = Some(Arrival { wall: now.wall, boot_id: boot_id.to_owned() });
        let uptime = Uptime::start(boot_id, now);
        Self { verdict, arrival, uptime, key_sha256, server_id, license_server: None }
    }
}

impl Uptime {
    /// Starts counting at `now`.
    pub fn start(boot_id: &str, now: Now) -> Self {
        Self { boot_id: boot_id.to_owned(), reading: now.boot, used: Duration::ZERO }
    }

    /// The machine time used up to `now` in the boot `boot_id`.
    pub fn used(&self, boot_id: &str, now: Now) -> Duration {
        if self.boot_id == boot_id {
            self.used.saturating_add(now.boot.saturating_sub(self.reading))
        } else {
            self.used
        }
    }

    /// The same count with a new reading, taken at `now` in the boot `boot_id`.
    pub fn advance(&self, boot_id: &str, now: Now) -> Self {
        Self { boot_id: boot_id.to_owned(), reading: now.boot, used: self.used(boot_id, now) }
    }
}

/// The arrival of a verdict, by this server's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// What the wall clock showed.
    pub wall: Timestamp,
    /// The kernel's boot ID.
    pub boot_id: String,
}

/// The recorded verdict, which the cache file keeps across restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The latest verdict.
    pub verdict: Verdict,
    /// When it arrived; `None` in a file of version 0.1.0, which did not keep it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub arrival: Option<Arrival>,
    /// Machine time since that verdict.
    pub uptime: Uptime,
    /// SHA-256 of the license key that was verified, in hex.
    pub key_sha256: String,
    /// The identity of the host that asked for the verdict.
    pub server_id: String,
    /// The base URL of the license server that gave it; `None` in a file of version 0.1.0, which did not keep it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub license_server: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(boot: u64) -> Now {
        Now { wall: Timestamp::from_unix(0), boot: Duration::from_secs(boot) }
    }

    #[test]
    fn uptime_is_summed_over_boots_and_never_shrinks() {
        let first = Uptime::start("boot-1", at(100));
        assert_eq!(first.used("boot-1", at(160)), Duration::from_secs(60));
        assert_eq!(first.used("boot-1", at(40)), Duration::ZERO, "a boot clock that goes backward loses nothing");

        let stored = first.advance("boot-1", at(160));
        assert_eq!(
            stored.used("boot-2", at(5)),
            Duration::from_secs(60),
            "the next boot continues from the stored count"
        );
        let second = stored.advance("boot-2", at(5));
        assert_eq!(second.used("boot-2", at(35)), Duration::from_secs(90));
    }

    #[test]
    fn a_denial_shows_its_own_terms_and_fills_gaps_from_the_last_grant() {
        let grant = Grant {
            terms: Terms {
                plan: Some("business".into()),
                max_accounts: Some(50),
                max_servers: Some(5),
                ..Terms::default()
            },
            message: String::new(),
            at: Timestamp::from_unix(1),
        };
        let denial = Denial {
            reason: "expired".into(),
            message: String::new(),
            terms: Terms { plan: Some("free".into()), ..Terms::default() },
            at: Timestamp::from_unix(2),
            previous: Some(grant),
        };
        let terms = Verdict::Denied(denial.clone()).terms();
        assert_eq!((terms.plan.as_deref(), terms.max_accounts, terms.max_servers), (Some("free"), Some(50), Some(5)));

        let alone = Verdict::Denied(Denial { previous: None, terms: Terms::default(), ..denial }).terms();
        assert_eq!(alone, Terms::default());
    }
}
