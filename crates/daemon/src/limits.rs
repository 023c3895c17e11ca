//! The process's limit on open files, and the number of connections that fit in it.

use log::warn;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// File descriptors reserved for everything except client connections: standard streams, epoll, wake-ups, signals,
/// syslog, the listener, the license server, files.
const OWN_DESCRIPTORS: u64 = 24;

/// With fewer connections than this, the daemon refuses to start.
const MIN_CONNECTIONS: u64 = 8;

/// Raises the soft limit on open files as far as permitted, and returns how many connections fit, at most `wanted`.
///
/// # Errors
/// A sentence, if the limit is too low even for a few connections.
pub fn connections(wanted: usize) -> Result<usize, String> {
    let needed = u64::try_from(wanted).unwrap_or(u64::MAX).saturating_add(OWN_DESCRIPTORS);
    let limit = getrlimit(Resource::Nofile);
    let available = limit.maximum.unwrap_or(u64::MAX).min(needed);
    if limit.current.is_some_and(|current| current < available) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(available), maximum: limit.maximum });
    }
    let current = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let min = OWN_DESCRIPTORS.saturating_add(MIN_CONNECTIONS);
    if current < min {
        return Err(format!(
            "the limit of {current} open files is too low; raise it to at least {min} (LimitNOFILE=, ulimit -n)"
        ));
    }
    let fitting = usize::try_from(current.saturating_sub(OWN_DESCRIPTORS)).unwrap_or(usize::MAX);
    if fitting < wanted {
        warn!(
            "The limit of {current} open files allows only {fitting} of the configured {wanted} connections (max_connections)"
        );
    }
    Ok(fitting.min(wanted))
}
