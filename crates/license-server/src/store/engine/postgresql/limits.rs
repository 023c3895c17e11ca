//! The time limits of a session.

use std::time::Duration;

/// How long a request to cancel a statement may take.
pub(super) const CANCEL_TIME: Duration = Duration::from_millis(250);

/// The least time to connect to one of several servers.
const LEAST_CONNECT: Duration = Duration::from_millis(500);

/// The time limits of a session. Ours stand on this side and hold with a server that is frozen or cut off; the server's own
/// are shorter, so that a session survives a slow statement or a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The time to connect, to all servers of the connection string together.
    pub(super) connect: Duration,
    /// The time of a statement, and of a commit.
    pub(super) statement: Duration,
    /// After how long the server is asked whether it is alive, while it has not answered a statement. A server that is busy says
    /// so at once, so a long statement can go on.
    pub(super) check: Option<Duration>,
    /// How long a transaction of ours that does nothing keeps its locks.
    pub(super) idle: Duration,
    /// Whether a statement is planned once for all values. Verifications look up a few rows by index, whatever the values are,
    /// and planning takes half of their time.
    pub(super) keeps_plans: bool,
}

impl Limits {
    /// For what a request waits for. It is answered within 2 s when the server is silent: 1.5 s here, [`CANCEL_TIME`], and the
    /// rest for everything else.
    pub(crate) const REQUEST: Self = Self {
        connect: Duration::from_millis(1500),
        statement: Duration::from_millis(1500),
        check: None,
        idle: Duration::from_secs(10),
        keeps_plans: true,
    };

    /// For pages and counts, which read much more than a verification. BEGIN has the time to connect, so a server that is
    /// gone is noticed as soon.
    pub(crate) const READ: Self = Self {
        connect: Duration::from_millis(1500),
        statement: Duration::from_secs(20),
        check: Some(Duration::from_secs(1)),
        idle: Duration::from_secs(60),
        keeps_plans: false,
    };

    /// For the work of commands, such as a change of the schema.
    pub(crate) const COMMAND: Self = Self {
        connect: Duration::from_secs(10),
        statement: Duration::from_secs(3600),
        check: None,
        idle: Duration::from_secs(600),
        keeps_plans: false,
    };

    /// The value of the setting `opterius.session`, which a server knows only if no pooler has dropped it.
    pub(super) const MARK: &str = "direct";

    /// The share of one server in the time to connect.
    pub(super) fn connect_to_one_of(&self, servers: usize) -> Duration {
        (self.connect / u32::try_from(servers).unwrap_or(u32::MAX).max(1)).max(LEAST_CONNECT)
    }

    /// Settings of a session, with the values that the server gets.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let milliseconds = |time: Duration| time.as_millis().to_string();
        let mut settings = vec![
            ("statement_timeout", milliseconds(self.statement * 3 / 4)),
            ("lock_timeout", milliseconds(self.statement / 3)),
            ("idle_in_transaction_session_timeout", milliseconds(self.idle)),
            ("standard_conforming_strings", "on".to_owned()),
            // Otherwise the warning of a commit that has not waited for the standby would not come.
            ("client_min_messages", "warning".to_owned()),
            // Compiling a statement of milliseconds takes hundreds of them.
            ("jit", "off".to_owned()),
            ("plan_cache_mode", if self.keeps_plans { "force_generic_plan" } else { "auto" }.to_owned()),
        ];
        if !self.keeps_plans {
            // A page needs the first rows of an index in its order. A bitmap reads all rows and sorts them: it looks cheaper to
            // the planner for an average owner, and reads 60,000 licenses of the largest.
            settings.push(("enable_bitmapscan", "off".to_owned()));
            // By the default, the cost of a disk with a head, half of a table is scanned rather than 3000 rows by an index.
            settings.push(("random_page_cost", "1.1".to_owned()));
        }
        settings
    }

    /// The options of a session's start.
    pub(super) fn options(&self) -> String {
        let mut options: String = self.settings().iter().map(|(name, value)| format!("-c {name}={value} ")).collect();
        // A backslash, because options end at blanks.
        options.push_str("-c default_transaction_isolation=read\\ committed -c opterius.session=");
        options.push_str(Self::MARK);
        options
    }

    /// Statements behind BEGIN that set the same for one transaction.
    pub(super) fn transaction_settings(&self, is_durable: bool) -> String {
        let mut sql: String =
            self.settings().iter().map(|(name, value)| format!("; SET LOCAL {name} = '{value}'")).collect();
        if !is_durable {
            sql.push_str("; SET LOCAL synchronous_commit = 'on'");
        }
        sql
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::postgresql::link::CHECK_TIME;

    #[test]
    fn a_silent_server_takes_less_than_two_seconds() {
        let most = Duration::from_secs(2);
        for limits in [Limits::REQUEST, Limits::READ] {
            let silent = limits.check.map_or(limits.statement, |check| check + CHECK_TIME);
            assert!(limits.connect + CANCEL_TIME < most && silent + CANCEL_TIME < most, "{limits:?}");
        }
    }
}
