//! What a server says of itself at the start of a session.

use std::time::Duration;

use super::connection_string::Wanted;
use super::failure::{Failure, Problem};
use super::limits::Limits;
use super::link::Link;

/// What a new session is asked: about the server, and whether the setting of its start has reached it.
const PROBE: &str = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only'), \
                     coalesce(current_setting('opterius.session', true), ''), current_setting('synchronous_commit'), \
                     current_setting('server_version_num')::bigint";

/// The oldest server with all that the statements use.
const OLDEST_VERSION: i64 = 130_000;

/// What a server says of itself.
pub(super) struct ServerState {
    is_standby: bool,
    is_read_only: bool,
    /// Whether no pooler stands between.
    pub(super) is_direct: bool,
    /// Whether a commit waits for the disk, and for the standby if there is one that the server waits for.
    pub(super) is_durable: bool,
    version: i64,
}

impl ServerState {
    /// Asks the server of a new session.
    ///
    /// # Errors
    /// The server's.
    pub(super) fn ask(link: &Link, time: Duration) -> Result<Self, Failure> {
        let rows = link.run(time, |client| client.query_typed(PROBE, &[])).map_err(Problem::into_connect_failure)?;
        let read = || {
            let row = rows.first()?;
            let text = |number| row.try_get::<_, &str>(number).ok();
            Some(Self {
                is_standby: row.try_get(0).ok()?,
                is_read_only: text(1)? == "on",
                is_direct: text(2)? == Limits::MARK,
                is_durable: !["off", "local"].contains(&text(3)?),
                version: row.try_get(4).ok()?,
            })
        };
        read().ok_or_else(|| Failure::Unavailable("the server's answer about itself is not understood".to_owned()))
    }

    /// Checks that it is the right one.
    ///
    /// # Errors
    /// It is not.
    pub(super) fn check(&self, wanted: Wanted) -> Result<(), Failure> {
        if self.version < OLDEST_VERSION {
            let version = self.version / 10_000;
            return Err(Failure::Refused(format!("the server is PostgreSQL {version}; 13 or newer is needed")));
        }
        match wanted {
            Wanted::ReadWrite | Wanted::Primary if self.is_standby => {
                Err(Failure::Unavailable("the server is a standby".to_owned()))
            }
            Wanted::ReadWrite if self.is_read_only => {
                Err(Failure::Unavailable("the server accepts no changes (transaction_read_only is on)".to_owned()))
            }
            _ => Ok(()),
        }
    }
}
