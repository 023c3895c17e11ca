//! Text representations of model values.

use super::license::Billing;
use opterius_base::clock::Timestamp;
use opterius_base::dates::{self, counted};

/// A limit; 0 is unlimited.
pub fn limit(limit: u32) -> String {
    if limit == 0 { "unlimited".to_owned() } else { limit.to_string() }
}

/// A limit with what it counts: “unlimited servers”, “1 server”.
pub fn limit_of(limit: u32, noun: &str) -> String {
    if limit == 0 { format!("unlimited {noun}s") } else { counted(limit, noun) }
}

/// An expiry, or “never”.
pub fn expiry(at: Option<Timestamp>) -> String {
    at.map_or("never".to_owned(), dates::end)
}

/// The billing status on one line.
pub fn billing_summary(billing: &Billing) -> String {
    let Some(status) = &billing.subscription_status else { return "no subscription".to_owned() };
    let period = billing.current_period_end.map(|end| format!(", period to {}", dates::the_end(end)));
    let ends = billing.cancel_at_period_end.map(|ends| if ends { ", cancelled with it" } else { ", not cancelled" });
    format!("{status}{}{}", period.unwrap_or_default(), ends.unwrap_or_default())
}

/// The end of the message after a renewal.
pub(super) fn renewed(until: Option<Timestamp>) -> String {
    let Some(until) = until else { return "renewed. It no longer expires.".to_owned() };
    match dates::ended_day(until) {
        Some(day) => format!("renewed through {day} (UTC)."),
        None => format!("renewed until {until}."),
    }
}
