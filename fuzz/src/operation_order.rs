//! Requests from the Agent to the helper: the contained request follows the same rules, and a helper request has the same
//! meaning after it is rewritten.

use opterius_host::helper::protocol::HelperRequest;
use opterius_host::request::Request;
use serde_json::Value;

use super::operation_request::{check_request, written};

/// The input is a helper request.
pub fn check(data: &[u8]) {
    let Ok(order) = serde_json::from_slice::<HelperRequest>(data) else { return };
    let body = order.body.as_ref().map(serde_json::to_vec).transpose().expect("a parsed body can be written");
    check_request(&order.path, &body.unwrap_or_default());

    let written = serde_json::to_vec(&order).expect("a helper request can be written");
    let again: HelperRequest = serde_json::from_slice(&written).expect("a written request can be parsed");
    assert_eq!(meaning(again), meaning(order));
}

/// What the helper reads from a request. serde_json rounds the last digit of a float in a body; no operation takes a float.
fn meaning(order: HelperRequest) -> (String, Result<Value, u16>, Option<u64>, Option<String>, u64) {
    let HelperRequest { path, body, max_accounts, plan, seconds } = order;
    let request = Request::from_json(&path, body).map_err(|problem| problem.status());
    (path, request.map(|request| written(&request)), max_accounts, plan, seconds)
}
