//! Why a change of a license is rejected, and checks that several actions share.

use std::net::IpAddr;

use super::license::{MAX_LABEL, MAX_LABELS, MAX_NOTE, MAX_REASON, MAX_REFERENCE, Plan};
use crate::address::{is_private, unusable};
use opterius_base::clock::Timestamp;
use opterius_base::dates;
use opterius_base::text::{drives_terminal, is_invisible, one_line};

/// Why a change is rejected, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeError {
    /// The plan does not exist.
    NotFound(String),
    /// It is so already.
    Unchanged(String),
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

/// Checks the vendor's own number of a license.
///
/// # Errors
/// It is empty, too long, not on one line, or has characters that cannot be seen: two references must not look alike.
pub fn check_reference(reference: &str) -> Result<(), ChangeError> {
    if is_line(reference, MAX_REFERENCE) && !reference.chars().any(is_invisible) {
        return Ok(());
    }
    Err(ChangeError::Invalid(format!(
        "“{}” is not a valid reference. Use 1 to {MAX_REFERENCE} characters on one line, without blanks at the ends or invisible \
         characters.",
        one_line(reference, MAX_REFERENCE)
    )))
}

/// Checks the reason of a suspension.
///
/// # Errors
/// It is empty, too long, or not on one line.
pub fn check_reason(reason: &str) -> Result<(), ChangeError> {
    if is_line(reason, MAX_REASON) {
        return Ok(());
    }
    Err(ChangeError::Invalid(format!("A reason must have 1 to {MAX_REASON} characters on one line.")))
}

/// Checks a note.
///
/// # Errors
/// It is too long, or contains control characters other than line feeds and tabs.
pub fn check_note(note: &str) -> Result<(), ChangeError> {
    let is_text = |character: char| !drives_terminal(character) || matches!(character, '\n' | '\t');
    if note.chars().count() <= MAX_NOTE && note.chars().all(is_text) {
        return Ok(());
    }
    Err(ChangeError::Invalid(format!("A note can have {MAX_NOTE} characters, and no control characters.")))
}

/// Checks the labels of a license.
///
/// # Errors
/// There are too many, one occurs twice, or one is not a label.
pub fn check_labels(labels: &[String]) -> Result<(), ChangeError> {
    if labels.len() > MAX_LABELS {
        return Err(ChangeError::Invalid(format!("A license can have at most {MAX_LABELS} labels.")));
    }
    let is_sign = |character: char| character.is_alphanumeric() || matches!(character, '.' | '_' | '-' | ':' | '/');
    for (index, label) in labels.iter().enumerate() {
        let shown = one_line(label, MAX_LABEL);
        if label.is_empty() || label.chars().count() > MAX_LABEL || !label.chars().all(is_sign) {
            return Err(ChangeError::Invalid(format!(
                "“{shown}” is not a valid label. Use 1 to {MAX_LABEL} letters, digits and . _ - : /"
            )));
        }
        if labels.iter().skip(index.saturating_add(1)).any(|other| other == label) {
            return Err(ChangeError::Invalid(format!("The label “{shown}” occurs twice.")));
        }
    }
    Ok(())
}

fn is_line(text: &str, most: usize) -> bool {
    !text.is_empty() && text.chars().count() <= most && text.trim() == text && !text.chars().any(drives_terminal)
}
