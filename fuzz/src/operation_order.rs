//! What the Agent hands to the helper: the request in it is held to the same rules, and an order means the same when it is
//! written down again.

use opterius_host::helper::protocol::Order;

use super::operation_request::hold;

/// Reads the input as an order.
pub fn check(data: &[u8]) {
    let Ok(order) = serde_json::from_slice::<Order<'_>>(data) else { return };
    let body = order.body.map(serde_json::value::RawValue::get).unwrap_or_default();
    hold(order.path, body.as_bytes());

    let written = serde_json::to_vec(&order).expect("an order can be written");
    let again: Order<'_> = serde_json::from_slice(&written).expect("what was written can be read");
    let members = |order: &Order<'_>| (order.max_accounts, order.plan.clone(), order.seconds);
    assert_eq!((again.path, members(&again)), (order.path, members(&order)));
    assert_eq!(again.body.map(serde_json::value::RawValue::get), order.body.map(serde_json::value::RawValue::get));
}
