//! The license server: the real program over real sockets, and for tests of time the same code with a clock that the test
//! sets.
//!
//! The modules cover the wire format, the rules over time and under load, the installation, and the real Agent with the
//! real server.

mod advice;
mod agent;
mod bad_input;
mod bursts;
mod contract;
mod crowded_forms;
mod database_file;
mod disk;
mod durability;
mod installation;
mod interrupted;
mod keys;
mod life_cycle;
mod listing;
mod metrics;
mod owners;
mod pages;
mod pairs;
mod parallel;
mod proxy;
mod rate_limits;
mod refused;
mod restore;
mod vendor_api;
mod webhooks;
mod wrong_clock;

use crate::support::eventually;
use crate::support::http::{PROMPTLY, Request, Response};
use crate::support::license_database::{OWNER, TestLicense, ip, operator};
use crate::support::license_server_process::{LicenseServerProcess, SERVERS, VERIFY, is_signed_by};
use crate::support::process::START;
use crate::support::timed_license_server::{BEGINNING, DAY, TimedLicenseServer};
use opterius_base::clock::Timestamp;
use opterius_license_server::actions::{self, Change, ChangeContext, Refusal};
use opterius_license_server::model::{Action, Actor, Billing, Role};
use serde_json::{Value, json};
use std::time::Duration;

/// The request of a server at this address.
fn question(license: &TestLicense, address: &str) -> Value {
    json!({"key": license.key, "server_ip": address})
}

fn assert_granted(response: &Response) {
    let answer = response.json();
    assert_eq!((response.status, &answer["valid"], &answer["reason"]), (200, &json!(true), &Value::Null), "{answer}");
}

fn assert_denied(response: &Response, reason: &str, message: &str) {
    let answer = response.json();
    assert_eq!((response.status, &answer["valid"]), (403, &json!(false)), "{answer}");
    assert_eq!((&answer["reason"], &answer["message"]), (&json!(reason), &json!(message)), "{answer}");
}

/// Denied because all slots are in use.
fn assert_no_slot(response: &Response, active: usize, allowed: usize) {
    let message = format!("License is already activated on {active} of {allowed} allowed servers.");
    assert_denied(response, "server_limit_reached", &message);
}

/// An error response: JSON with a code and a message, without `valid`.
fn assert_error(response: &Response, status: u16, code: &str) {
    let answer = response.json();
    // The code is in `error` in answers to a verification, whose form the Agents in the field know, and in `code` elsewhere.
    let found = answer.get("code").unwrap_or(&answer["error"]);
    assert_eq!((response.status, found), (status, &json!(code)), "{answer}");
    assert!(answer["message"].as_str().is_some_and(|message| message.len() > 10), "{answer}");
    assert_eq!(answer.get("valid"), None, "{answer}");
}

/// `Retry-After` in seconds.
fn retry_after(response: &Response) -> u64 {
    let seconds = response.header("Retry-After").unwrap_or_else(|| panic!("no Retry-After: {}", response.head_text()));
    seconds.parse().unwrap()
}
