//! `/system/time`: reports the time, the time zone, and the state of NTP.

use serde_json::{Map, Value, json};

use crate::perform::{Context, Perform};
use crate::system::timezone::timezone;
use opterius_base::clock::{Clock, SystemClock};
use opterius_host::problem::Problem;
use opterius_host::request::system_time::SystemTime;
use opterius_host::tool::Tool;

impl Perform for SystemTime {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let mut answer = if host.has_systemd() {
            let clock = Tool::named("timedatectl")?.arg("show").succeed(deadline)?.stdout;
            // It fails if a program other than systemd-timesyncd sets the clock. The source is then unknown.
            let source = Tool::named("timedatectl")?.args(["show-timesync", "--all"]).run(deadline)?.stdout;
            synchronization(&clock, &source)
        } else {
            synchronization("", "")
        };
        answer.insert("unix_seconds".to_owned(), json!(SystemClock.wall().unix()));
        // Read the files: timedatectl reports the previous zone for a while.
        answer.insert("timezone".to_owned(), json!(timezone(host)));
        Ok(Value::Object(answer))
    }
}

/// Whether the clock is synchronized and with which servers, from two outputs of timedatectl.
fn synchronization(clock: &str, source: &str) -> Map<String, Value> {
    let property = |text: &str, name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
    };
    let mut status = Map::new();
    status.insert("ntp_synced".to_owned(), json!(property(clock, "NTPSynchronized").as_deref() == Some("yes")));
    let servers = ["LinkNTPServers", "SystemNTPServers", "FallbackNTPServers"];
    let servers = servers.iter().find_map(|name| property(source, name).filter(|value| !value.is_empty()));
    if let Some(servers) = servers {
        status.insert("ntp_servers".to_owned(), servers.split_ascii_whitespace().collect());
    }
    // One line has the last response of a server, with members separated by commas.
    let message = property(source, "NTPMessage").unwrap_or_default();
    let received = message.split(", ").find_map(|member| member.trim().strip_prefix("DestinationTimestamp="));
    if let Some(received) = received {
        status.insert("ntp_last_sync".to_owned(), json!(received));
    }
    status
}

#[cfg(test)]
#[path = "system_time_tests.rs"]
mod tests;
