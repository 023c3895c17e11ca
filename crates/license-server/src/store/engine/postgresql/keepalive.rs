//! How a silent peer is noticed: `keepalives` and `tcp_user_timeout`.

use std::time::Duration;

use super::settings::Settings;

/// How a silent peer is noticed (`keepalives`, `tcp_user_timeout`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keepalive {
    /// Whether idle connections are probed.
    pub(super) is_on: bool,
    /// After how long without traffic.
    pub(super) idle: Duration,
    /// How often from then on.
    pub(super) interval: Duration,
    /// How many unanswered probes end the connection.
    pub(super) count: u32,
    /// How long sent data can stay unacknowledged.
    pub(super) user_timeout: Duration,
}

/// The settings, or what notices a silent peer within half a minute.
///
/// # Errors
/// A sentence.
pub(super) fn keepalive(settings: &Settings) -> Result<Keepalive, String> {
    let is_on = match settings.get("keepalives") {
        None | Some("1") => true,
        Some("0") => false,
        Some(_) => return Err("keepalives must be 1 or 0".to_owned()),
    };
    let count = match settings.get("keepalives_count") {
        None => 3,
        Some(count) => {
            let count = count.parse().ok().filter(|count| (1..=100).contains(count));
            count.ok_or("keepalives_count must be a number from 1 to 100")?
        }
    };
    // Milliseconds, unlike its siblings.
    let user_timeout = match settings.get("tcp_user_timeout") {
        None => Duration::from_secs(20),
        Some(time) => {
            let time = time.parse().ok().filter(|time| (100..=3_600_000).contains(time));
            Duration::from_millis(time.ok_or("tcp_user_timeout must be a number of milliseconds from 100 to 3600000")?)
        }
    };
    Ok(Keepalive {
        is_on,
        idle: settings.seconds("keepalives_idle")?.unwrap_or(Duration::from_secs(15)),
        interval: settings.seconds("keepalives_interval")?.unwrap_or(Duration::from_secs(5)),
        count,
        user_timeout,
    })
}
