//! Why a change of a license is rejected, and checks that several actions share.

use std::net::IpAddr;

use super::license::Plan;
use crate::address::{is_private, unusable};
use opterius_base::clock::Timestamp;
use opterius_base::dates;

/// Why a change is rejected, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeError {
    /// The plan does not exist.
    NotFound(String),
    /// The change is not possible in the current state.
    Conflict(String),
    /// The input is wrong.
    Invalid(String),
}

/// The plan with this slug.
///
/// # Errors
/// It does not exist.
pub fn find_plan<'p>(plans: &'p [Plan], slug: &str) -> Result<&'p Plan, ChangeError> {
    plans.iter().find(|plan| plan.slug == slug).ok_or_else(|| {
        let known: Vec<&str> = plans.iter().map(|plan| plan.slug.as_str()).collect();
        ChangeError::NotFound(format!("There is no plan “{slug}”. Available plans: {}.", known.join(", ")))
    })
}

/// Checks that an expiry is in the future.
///
/// # Errors
/// It is in the past.
pub fn check_expiry(at: Option<Timestamp>, now: Timestamp) -> Result<(), ChangeError> {
    match at.filter(|at| *at <= now) {
        None => Ok(()),
        Some(at) => {
            let end = dates::ended_day(at).map_or_else(|| at.to_string(), |day| format!("The end of {day}"));
            Err(ChangeError::Invalid(format!("{end} is in the past. To end a license, suspend or cancel it.")))
        }
    }
}

/// Checks that a server can have this address.
///
/// # Errors
/// It cannot.
pub fn check_server_ip(ip: IpAddr) -> Result<(), ChangeError> {
    match unusable(ip) {
        Some(why) => Err(ChangeError::Invalid(format!("{ip} cannot be the address of a server: it is {why}."))),
        None => Ok(()),
    }
}

/// A warning about the address of a server, to follow the message of a change; empty if there is nothing to say.
pub fn address_warning(ip: IpAddr) -> String {
    if !is_private(ip) {
        return String::new();
    }
    format!(
        " Warning: {ip} is a private address. Only a server that reaches this license server from a private network is seen \
         with it; any other is seen with its public address."
    )
}
