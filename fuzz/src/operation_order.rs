//! Requests from the Agent to the helper: the contained request follows the same rules, and a helper request has the same
//! meaning after it is rewritten.

use opterius_host::helper::protocol::HelperRequest;

use super::operation_request::check_request;

/// The input is a helper request.
pub fn check(data: &[u8]) {
    let Ok(order) = serde_json::from_slice::<HelperRequest>(data) else { return };
    let body = order.body.as_ref().map(serde_json::to_vec).transpose().expect("a parsed body can be written");
    check_request(&order.path, &body.unwrap_or_default());

    let written = serde_json::to_vec(&order).expect("a helper request can be written");
    let again: HelperRequest = serde_json::from_slice(&written).expect("a written request can be parsed");
    let members = |order: &HelperRequest| (order.max_accounts, order.plan.clone(), order.seconds);
    assert_eq!((&again.path, &again.body, members(&again)), (&order.path, &order.body, members(&order)));
}
