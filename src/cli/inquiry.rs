//! `status` and `reverify`: requests to the running daemon over its HTTP API.

use std::fmt::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use ring::hmac;
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::config::file;
use crate::config::{Config, DEFAULT_ADDRESS};
use crate::license::client::fault::words;
use crate::license::client::http;
use crate::program::complain;
use opterius_base::clock::{Clock, SystemClock};
use opterius_base::deadline::Deadline;
use opterius_base::hex::hex;
use opterius_base::stream::Timed;
use opterius_base::text::{one_line, terminal_json};
use opterius_daemon::output::say;
use opterius_daemon::{EXIT_FAILURE, listener};
use opterius_license::reason::{self, Guide};

/// Exit code of `status` and `reverify` if the daemon does not respond with a status.
pub const EXIT_NOT_REACHABLE: u8 = 2;

/// Short, because the daemon answers a status request from memory.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);
/// A verification takes up to 10 seconds, another can be running already, and two are at least 5 seconds apart.
const REVERIFY_TIMEOUT: Duration = Duration::from_secs(60);
/// The maximum size of a response body in bytes.
const MAX_RESPONSE: u64 = 64 * 1024;

/// The path of the license status.
pub const STATUS_PATH: &str = "/license/status";
const REVERIFY_PATH: &str = "/license/reverify";

/// Prints the license status of the running daemon; returns the exit code.
pub fn status(config_path: &Path, json: bool) -> u8 {
    let (address, guide) = match file::load(config_path) {
        Ok(loaded) => (address(&loaded.config), loaded.config.guide(config_path)),
        Err(error) => {
            complain(&format!("{error}\nTrying {DEFAULT_ADDRESS}, the default address of the Agent."));
            (DEFAULT_ADDRESS, Guide::default())
        }
    };
    show(get(address, STATUS_PATH, STATUS_TIMEOUT), address, &guide, json)
}

/// Has the running daemon verify the license now and prints the result; returns the exit code.
pub fn reverify(config_path: &Path) -> u8 {
    let config = match file::load(config_path) {
        Ok(loaded) => loaded.config,
        Err(error) => {
            complain(&error.to_string());
            return error.exit_code();
        }
    };
    let address = address(&config);
    let timestamp = SystemClock.wall().to_string();
    let message = [timestamp.as_bytes(), b"POST", REVERIFY_PATH.as_bytes()].concat();
    let signature = hex(hmac::sign(&config.api(config_path).secret, &message).as_ref());
    let response = client(address, REVERIFY_TIMEOUT).and_then(|client| {
        let request = client
            .post(format!("http://{address}{REVERIFY_PATH}"))
            .header("X-Timestamp", &timestamp)
            .header("X-Signature", &signature);
        read(request.send_empty())
    });
    show(response, address, &config.guide(config_path), false)
}

/// Sends a `GET` request to the daemon; returns the response's status and body.
///
/// # Errors
/// In words: the daemon does not respond within `timeout`, or its response is not HTTP.
pub fn get(address: SocketAddr, path: &str, timeout: Duration) -> Result<(u16, String), String> {
    client(address, timeout).and_then(|client| read(client.get(format!("http://{address}{path}")).call()))
}

fn read(response: Result<Response<Body>, ureq::Error>) -> Result<(u16, String), String> {
    let text = |mut response: Response<Body>| {
        let text = response.body_mut().with_config().limit(MAX_RESPONSE).read_to_string()?;
        Ok((response.status().as_u16(), text))
    };
    response.and_then(text).map_err(|error| match error {
        ureq::Error::Io(error) => words(&error),
        ureq::Error::BodyExceedsLimit(_) => format!("the response is longer than {} KiB", MAX_RESPONSE / 1024),
        _ => "the response is not HTTP/1.1".to_owned(),
    })
}

/// The address at which programs on this machine reach the daemon.
pub fn address(config: &Config) -> SocketAddr {
    listener::from_here(SocketAddr::new(config.listen_addr, config.port))
}

/// An HTTP client for one request to the daemon, without a proxy, because it is on this machine.
fn client(address: SocketAddr, timeout: Duration) -> Result<Agent, String> {
    let deadline = Deadline::within(timeout);
    let stream = TcpStream::connect_timeout(&address, timeout).map_err(|error| words(&error))?;
    Ok(http::over(Box::new(Timed::new(stream, deadline))).0)
}

fn show(response: Result<(u16, String), String>, address: SocketAddr, guide: &Guide, json: bool) -> u8 {
    let (status, text) = match response {
        Ok(response) => response,
        Err(error) => {
            complain(&format!(
                "the Agent does not respond on {address}: {error}\nCheck that it is running: systemctl status \
                 opterius-agent; and read its log: journalctl -u opterius-agent -n 20. A changed port or listen_addr \
                 takes effect at the next restart"
            ));
            return EXIT_NOT_REACHABLE;
        }
    };
    let document: Value = serde_json::from_str(&text).unwrap_or_default();
    let Some(valid) = document.get("valid").and_then(Value::as_bool).filter(|_| status == 200) else {
        let error = document.get("message").and_then(Value::as_str).unwrap_or("the response is not a license status");
        let hint = if status == 401 {
            "\nThe running Agent's secret differs from this configuration; reload it: systemctl reload opterius-agent"
        } else {
            ""
        };
        complain(&format!("{address} responded with HTTP {status}: {}{hint}", one_line(error, 500)));
        return EXIT_NOT_REACHABLE;
    };
    say(&if json { format!("{}\n", terminal_json(text.trim())) } else { describe(&document, guide) });
    if valid { 0 } else { EXIT_FAILURE }
}

/// Formats the status for a person. Each member becomes one line, because another program could be listening on the port.
fn describe(status: &Value, guide: &Guide) -> String {
    let text = |name: &str| status.get(name).and_then(Value::as_str).map(|text| one_line(text, 500));
    let limit = |name: &str| match status.get(name).and_then(Value::as_u64) {
        None => "unknown".to_owned(),
        Some(0) => "unlimited".to_owned(),
        Some(limit) => limit.to_string(),
    };
    let valid = status.get("valid").and_then(Value::as_bool) == Some(true);
    let mut lines = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "{name:<15} {value}");
    };
    let unknown = || "unknown".to_owned();
    line("License:", if valid { "valid".to_owned() } else { "INVALID".to_owned() });
    line("State:", text("state").unwrap_or_else(unknown));
    line("Message:", text("message").unwrap_or_default());
    if let Some(reason) = text("reason") {
        line("Help:", guide.help(&reason));
        line("Reason:", reason);
    }
    if let Some(until) = text("grace_until") {
        // Show it during the grace period, while there is still time to act.
        line("Help:", guide.help(reason::UNREACHABLE));
        line("Grace until:", until);
    }
    line("Plan:", text("plan").unwrap_or_else(unknown));
    let used = status.get("accounts_used").and_then(Value::as_u64).map_or_else(unknown, |used| used.to_string());
    line("Accounts:", format!("{used} used, {} allowed", limit("max_accounts")));
    line("Servers:", format!("{} allowed", limit("max_servers")));
    // The license server sends all terms together, so a known plan without an expiry never expires.
    let never = || if valid || text("plan").is_some() { "never".to_owned() } else { unknown() };
    line("Expires:", text("expires_at").unwrap_or_else(never));
    for warning in status.get("warnings").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        line("Warning:", one_line(warning, 500));
    }
    line("Last verified:", text("last_verified_at").unwrap_or_else(|| "never".to_owned()));
    let source = match status.get("source").and_then(Value::as_str) {
        Some("server") => "the license server, at the last check",
        Some("cache") => "an earlier response of the license server; the last check got none",
        _ => "none; no check has succeeded yet",
    };
    line("Source:", source.to_owned());
    if let Some(server) = text("license_server") {
        line("License server:", server);
    }
    line("Last check:", text("last_checked_at").unwrap_or_else(|| "none yet".to_owned()));
    line("Next check:", text("next_check_at").unwrap_or_else(|| "none scheduled".to_owned()));
    line("Cache:", text("cache").unwrap_or_else(unknown));
    for check in status.get("recent_checks").and_then(Value::as_array).into_iter().flatten() {
        let part =
            |name: &str| check.get(name).and_then(Value::as_str).map(|text| one_line(text, 200)).unwrap_or_default();
        let server = Some(part("license_server")).filter(|server| !server.is_empty());
        let by = server.map(|server| format!(" by {server}")).unwrap_or_default();
        line("Checked:", format!("{}  {}{by}", part("at"), part("verdict")));
    }
    lines
}
