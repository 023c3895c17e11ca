//! Why a value does not go with a license, and the checks that several actions make.

use std::net::IpAddr;

use super::license::Plan;
use crate::address::is_host_address;
use opterius_base::clock::Timestamp;
use opterius_base::dates;

/// Why it does not; a sentence says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeError {
    /// There is no such thing.
    NotFound(String),
    /// It makes no sense now.
    Conflict(String),
    /// The input is wrong.
    Invalid(String),
}

/// The plan with this slug.
///
/// # Errors
/// There is none.
pub fn find_plan<'p>(plans: &'p [Plan], slug: &str) -> Result<&'p Plan, ChangeError> {
    plans.iter().find(|plan| plan.slug == slug).ok_or_else(|| {
        let known: Vec<&str> = plans.iter().map(|plan| plan.slug.as_str()).collect();
        ChangeError::NotFound(format!("There is no plan “{slug}”. The plans are: {}.", known.join(", ")))
    })
}

/// Checks that an expiry is still to come.
///
/// # Errors
/// It is over.
pub fn check_expiry(at: Option<Timestamp>, now: Timestamp) -> Result<(), ChangeError> {
    match at.filter(|at| *at <= now) {
        None => Ok(()),
        Some(at) => {
            let end = dates::ended_day(at).map_or_else(|| at.to_string(), |day| format!("The end of {day}"));
            Err(ChangeError::Invalid(format!("{end} is in the past. To end a license, suspend or cancel it.")))
        }
    }
}

/// Checks that an address is one that a server can have.
///
/// # Errors
/// It is none.
pub fn check_server_ip(ip: IpAddr) -> Result<(), ChangeError> {
    if !is_host_address(ip) {
        return Err(ChangeError::Invalid(format!("{ip} is not the address of a server.")));
    }
    Ok(())
}
