//! `/system/time`: what time it is, in which zone, and who says so.

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
            // It fails where another program than systemd's own sets the clock; then nobody tells from whom.
            let source = Tool::named("timedatectl")?.args(["show-timesync", "--all"]).run(deadline)?.stdout;
            synchronization(&clock, &source)
        } else {
            synchronization("", "")
        };
        answer.insert("unix_seconds".to_owned(), json!(SystemClock.wall().unix()));
        // From the files: timedatectl goes on telling the zone before for a while.
        answer.insert("timezone".to_owned(), json!(timezone(host)));
        Ok(Value::Object(answer))
    }
}

/// Whether and from whom the clock is set, from two outputs of timedatectl.
fn synchronization(clock: &str, source: &str) -> Map<String, Value> {
    let property = |text: &str, name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
    };
    let mut told = Map::new();
    told.insert("ntp_synced".to_owned(), json!(property(clock, "NTPSynchronized").as_deref() == Some("yes")));
    let servers = ["LinkNTPServers", "SystemNTPServers", "FallbackNTPServers"];
    let servers = servers.iter().find_map(|name| property(source, name).filter(|value| !value.is_empty()));
    if let Some(servers) = servers {
        told.insert("ntp_servers".to_owned(), servers.split_ascii_whitespace().collect());
    }
    // One line holds the last answer of a server, members between commas.
    let message = property(source, "NTPMessage").unwrap_or_default();
    let received = message.split(", ").find_map(|member| member.trim().strip_prefix("DestinationTimestamp="));
    if let Some(received) = received {
        told.insert("ntp_last_sync".to_owned(), json!(received));
    }
    told
}

#[cfg(test)]
#[path = "system_time_tests.rs"]
mod tests;
