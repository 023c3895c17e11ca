//! What the Agent hands to the helper: the request in it is held to the same rules, and an order means the same when it is
//! written down again.

use opterius_host::helper::protocol::HelperRequest;

use super::operation_request::hold;

/// Reads the input as an order.
pub fn check(data: &[u8]) {
    let Ok(order) = serde_json::from_slice::<HelperRequest>(data) else { return };
    let body = order.body.as_ref().map(serde_json::to_vec).transpose().expect("what was read can be written");
    hold(&order.path, &body.unwrap_or_default());

    let written = serde_json::to_vec(&order).expect("an order can be written");
    let again: HelperRequest = serde_json::from_slice(&written).expect("what was written can be read");
    let members = |order: &HelperRequest| (order.max_accounts, order.plan.clone(), order.seconds);
    assert_eq!((&again.path, &again.body, members(&again)), (&order.path, &order.body, members(&order)));
}
