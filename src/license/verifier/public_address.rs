//! The public address that this host reports, and when to discover it.

use std::net::IpAddr;
use std::time::Duration;

use crate::license::client::{LicenseConfig, LicenseServer};
use opterius_base::clock::Now;
use opterius_license::address::{self, Discovered};

/// How often the address is discovered. A check at the same second of the next day may come a few seconds early.
const INTERVAL: Duration = Duration::from_secs(24 * 3600 - 60);
/// The wait after a failed discovery.
const RETRY: Duration = Duration::from_secs(3600);

/// The discovered address.
#[derive(Debug, Default)]
pub(super) struct PublicAddress {
    found: Option<Discovered>,
    tried_at: Option<Duration>,
}

impl PublicAddress {
    /// The discovered address and its time.
    pub(super) fn found(&self) -> Option<Discovered> {
        self.found
    }

    /// Restores the address discovered by an earlier run.
    pub(super) fn restore(&mut self, found: Option<Discovered>) {
        self.found = found;
    }

    /// The address to report, in order of preference: the configured one; the source address toward the Internet, if it
    /// is public; the discovered one, refreshed once a day. `None` if no public address is known.
    pub(super) fn find(&mut self, config: &LicenseConfig, server: &mut dyn LicenseServer, now: Now) -> Option<IpAddr> {
        if config.server_ip.is_some() {
            return config.server_ip;
        }
        let source = address::source_address();
        if let Some(address) = source.filter(|address| address::is_public(*address)) {
            return Some(address);
        }
        if self.is_due(now) {
            self.tried_at = Some(now.boot);
            let discovered = server.discover(config);
            self.found = discovered.map(|address| Discovered { address, at: now.wall }).or(self.found);
        }
        self.found.map(|found| found.address)
    }

    /// Whether the known address is outdated, or dated in the future, and the last attempt is old enough.
    fn is_due(&self, now: Now) -> bool {
        let is_fresh = self.found.is_some_and(|found| found.at <= now.wall && now.wall.since(found.at) < INTERVAL);
        let tried_recently = self.tried_at.is_some_and(|at| now.boot.saturating_sub(at) < RETRY);
        !is_fresh && !tried_recently
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opterius_base::clock::Timestamp;

    const DAY: i64 = 86_400;

    fn at(wall: i64, boot: u64) -> Now {
        Now { wall: Timestamp::from_unix(wall), boot: Duration::from_secs(boot) }
    }

    fn known(found_at: Option<i64>, tried_at: Option<u64>) -> PublicAddress {
        let address = IpAddr::from([203, 0, 113, 5]);
        let found = found_at.map(|at| Discovered { address, at: Timestamp::from_unix(at) });
        PublicAddress { found, tried_at: tried_at.map(Duration::from_secs) }
    }

    #[test]
    fn the_address_is_discovered_daily_and_retried_hourly() {
        let table = [
            (known(None, None), at(0, 0), true),
            (known(None, Some(0)), at(0, 3599), false),
            (known(None, Some(0)), at(0, 3600), true),
            (known(Some(0), None), at(DAY - 61, 0), false),
            (known(Some(0), None), at(DAY - 60, 0), true),
            (known(Some(0), Some(0)), at(DAY, 3599), false),
            // The clock was set back: the age of the address is unknown.
            (known(Some(1), None), at(0, 0), true),
        ];
        for (address, now, expected) in table {
            assert_eq!(address.is_due(now), expected, "{address:?} at {now:?}");
        }
    }
}
