//! Why a value does not go with a license, and the checks that several actions make.

use std::net::IpAddr;

use super::license::Plan;
use crate::address::is_of_a_host;
use opterius_base::clock::Timestamp;
use opterius_base::dates;

/// Why it does not; a sentence says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objection {
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
pub fn find_plan<'p>(plans: &'p [Plan], slug: &str) -> Result<&'p Plan, Objection> {
    plans.iter().find(|plan| plan.slug == slug).ok_or_else(|| {
        let known: Vec<&str> = plans.iter().map(|plan| plan.slug.as_str()).collect();
        Objection::NotFound(format!("There is no plan “{slug}”. The plans are: {}.", known.join(", ")))
    })
}

/// Checks that an expiry is still to come.
///
/// # Errors
/// It is over.
pub fn in_the_future(at: Option<Timestamp>, now: Timestamp) -> Result<(), Objection> {
    match at.filter(|at| *at <= now) {
        None => Ok(()),
        Some(at) => {
            let end = dates::ended_day(at).map_or_else(|| at.to_string(), |day| format!("The end of {day}"));
            Err(Objection::Invalid(format!("{end} is in the past. To end a license, suspend or cancel it.")))
        }
    }
}

/// Checks that an address is one that a server can have.
///
/// # Errors
/// It is none.
pub fn of_a_server(ip: IpAddr) -> Result<(), Objection> {
    if !is_of_a_host(ip) {
        return Err(Objection::Invalid(format!("{ip} is not the address of a server.")));
    }
    Ok(())
}
