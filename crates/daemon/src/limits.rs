//! The process's own limits, and what follows from them for the connections.

use log::warn;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that we need besides client connections: standard streams, epoll, wake-ups, signals, syslog, the
/// listener, the license server, files.
const OWN_DESCRIPTORS: u64 = 24;

/// With fewer connections than this there is no use in running.
const LEAST_CONNECTIONS: u64 = 8;

/// Raises the soft limit of descriptors as far as we may and returns how many connections fit, at most `wanted`.
///
/// # Errors
/// A sentence: there is no room for even a few.
pub fn connections(wanted: usize) -> Result<usize, String> {
    let needed = u64::try_from(wanted).unwrap_or(u64::MAX).saturating_add(OWN_DESCRIPTORS);
    let limit = getrlimit(Resource::Nofile);
    let available = limit.maximum.unwrap_or(u64::MAX).min(needed);
    if limit.current.is_some_and(|current| current < available) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(available), maximum: limit.maximum });
    }
    let current = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let least = OWN_DESCRIPTORS.saturating_add(LEAST_CONNECTIONS);
    if current < least {
        return Err(format!(
            "the limit of {current} open files is too low; raise it to {least} at least (LimitNOFILE=, ulimit -n)"
        ));
    }
    let fitting = usize::try_from(current.saturating_sub(OWN_DESCRIPTORS)).unwrap_or(usize::MAX);
    if fitting < wanted {
        warn!("The limit of {current} open files leaves room for {fitting} of max_connections={wanted} connections");
    }
    Ok(fitting.min(wanted))
}
