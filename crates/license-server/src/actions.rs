//! What people do to licenses, in the dashboard and on the command line alike: each is checked, stored, and written into
//! the history in one transaction.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

use crate::address::is_of_a_host;
use crate::model::{Action, Actor, Billing, License, Plan, Role, Status};
use crate::store::{Changes, Error, NewLicense};
use opterius_base::clock::Timestamp;
use opterius_base::dates;
use opterius_base::secret::Secret;
use opterius_base::text::one_line;

/// How often owners may Revoke or Move, and in which time.
pub const OWNER_CHANGES: u32 = 10;
/// See [`OWNER_CHANGES`].
pub const OWNER_CHANGES_TIME: Duration = Duration::from_secs(30 * 86_400);

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such thing, or not for this user.
    NotFound(String),
    /// Somebody else has changed the license since it was looked at.
    Stale,
    /// It makes no sense now; a sentence says why.
    Conflict(String),
    /// The input is wrong; a sentence says how.
    Invalid(String),
    /// Too often.
    TooOften,
    /// The store's own.
    Store(Error),
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(sentence) | Self::Conflict(sentence) | Self::Invalid(sentence) => {
                formatter.write_str(sentence)
            }
            Self::Stale => formatter.write_str(
                "Somebody else has changed this license since you looked at it. Nothing was done; look at it again.",
            ),
            Self::TooOften => write!(
                formatter,
                "Servers of this license were revoked or moved {OWNER_CHANGES} times in the last 30 days, which is the \
                 most. Ask the vendor to do it."
            ),
            // What is wrong with which file is for the log, and not for a page.
            Self::Store(_) => {
                formatter.write_str("Nothing can be stored at the moment. Nothing was done; try again in a minute.")
            }
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// Who does it, and on which license they looked at.
pub struct Doer<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// The revision that they have seen; none on the command line, which says what it does.
    pub seen: Option<i64>,
}

/// A change of a license as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// No use for now.
    Suspend,
    /// Use again, after a suspension or a cancellation.
    Resume,
    /// No use any more.
    Cancel,
    /// Another end; none is never.
    Renew(Option<Timestamp>),
    /// Another plan, by its slug.
    SetPlan(String),
    /// Use at this address alone.
    LockIp(IpAddr),
    /// Use anywhere.
    UnlockIp,
    /// Other billing facts.
    SetBilling(Billing),
}

/// A new license key: 160 random bits in four groups of eight characters.
///
/// # Errors
/// The system gives no random numbers.
pub fn new_key() -> Result<Secret, Refusal> {
    /// RFC 4648: no 0, 1 and 8, which are taken for letters.
    const ALPHABET: [char; 32] = [
        'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V',
        'W', 'X', 'Y', 'Z', '2', '3', '4', '5', '6', '7',
    ];
    let mut random = [0_u8; 32];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| Refusal::Store(Error::Failed("the system gives no random numbers".to_owned())))?;
    let letter = |byte: &u8| ALPHABET.get(usize::from(byte & 31)).copied().unwrap_or('A');
    let groups: Vec<String> = random.chunks(8).map(|group| group.iter().map(letter).collect()).collect();
    Ok(Secret::new(groups.join("-")))
}

/// Makes a license and returns its number.
///
/// # Errors
/// Why not; nothing was done then.
pub fn create(
    changes: &Changes<'_>,
    actor: &Actor,
    owner: &str,
    plan: &str,
    expires_at: Option<Timestamp>,
    locked_ip: Option<IpAddr>,
    key: &Secret,
) -> Result<i64, Refusal> {
    let no_owner = || Refusal::NotFound(format!("There is no user “{owner}”."));
    let (owner, _) = changes.user(owner)?.ok_or_else(no_owner)?;
    let plan = find_plan(changes, plan)?;
    in_the_future(expires_at, changes.now())?;
    locked_ip.map_or(Ok(()), of_a_server)?;
    let new = NewLicense { key, owner: owner.id, plan: &plan.slug, expires_at, locked_ip };
    let id = changes.insert_license(&new)?;
    let lock = locked_ip.map_or(String::new(), |ip| format!(", locked to {ip}"));
    let detail = format!("for {}, plan {}, expires {}{lock}", owner.name, plan.slug, date(expires_at));
    changes.add_event(Some(id), actor, Action::Created, &detail)?;
    Ok(id)
}

/// Changes a license, and returns what was done in a sentence.
///
/// # Errors
/// Why not; nothing was done then.
pub fn change(changes: &Changes<'_>, doer: &Doer<'_>, id: i64, change: &Change) -> Result<String, Refusal> {
    let before = find(changes, id)?;
    unchanged_since(&before, doer)?;
    let mut license = before.clone();
    let (action, detail, sentence) = apply(changes, &mut license, change)?;
    changes.update_license(&license)?;
    changes.add_event(Some(id), doer.actor, action, &detail)?;
    Ok(sentence)
}

/// Changes the value; what is told of it in the history, and to whoever did it.
fn apply(changes: &Changes<'_>, license: &mut License, change: &Change) -> Result<(Action, String, String), Refusal> {
    let number = license.id;
    let done = |action, detail: String, what: &str| Ok((action, detail, format!("License {number} {what}")));
    let conflict = |what: &str| Err(Refusal::Conflict(format!("License {number} {what}")));
    match change {
        Change::Suspend => match license.status {
            Status::Suspended => conflict("is suspended already."),
            Status::Cancelled => conflict("is cancelled, so there is nothing to suspend."),
            Status::Active => {
                license.status = Status::Suspended;
                done(Action::Suspended, String::new(), "is suspended. Its servers learn of it at their next check.")
            }
        },
        Change::Resume if license.status == Status::Active => conflict("is neither suspended nor cancelled."),
        Change::Resume => {
            let detail = format!("was {}", license.status.word());
            license.status = Status::Active;
            done(Action::Resumed, detail, "may be used again. Its servers learn of it at their next check.")
        }
        Change::Cancel if license.status == Status::Cancelled => conflict("is cancelled already."),
        Change::Cancel => {
            license.status = Status::Cancelled;
            done(Action::Cancelled, String::new(), "is cancelled. Its servers learn of it at their next check.")
        }
        Change::Renew(until) => {
            in_the_future(*until, changes.now())?;
            if *until == license.expires_at {
                return conflict(if until.is_some() { "ends then already." } else { "never ends already." });
            }
            let detail = format!("from {} to {}", date(license.expires_at), date(*until));
            license.expires_at = *until;
            done(Action::Renewed, detail, &renewed(*until))
        }
        Change::SetPlan(slug) => {
            let plan = find_plan(changes, slug)?;
            if plan.slug == license.plan.slug {
                return conflict(&format!("has the plan {} already.", plan.name));
            }
            let detail = format!("from {} to {}", license.plan.slug, plan.slug);
            let what = format!("has the plan {} now.", plan.name);
            license.plan = plan;
            done(Action::PlanChanged, detail, &what)
        }
        Change::LockIp(ip) if license.locked_ip == Some(*ip) => conflict(&format!("is locked to {ip} already.")),
        Change::LockIp(ip) => {
            of_a_server(*ip)?;
            license.locked_ip = Some(*ip);
            done(Action::Locked, ip.to_string(), &format!("is locked to {ip} now."))
        }
        Change::UnlockIp => match license.locked_ip.take() {
            None => conflict("is not locked to an address."),
            Some(ip) => done(Action::Unlocked, ip.to_string(), "may be used at any address now."),
        },
        Change::SetBilling(billing) => {
            license.billing = billing.clone();
            let sentence = format!("The billing facts of license {number} are changed.");
            Ok((Action::BillingChanged, facts(billing), sentence))
        }
    }
}

fn renewed(until: Option<Timestamp>) -> String {
    let Some(until) = until else { return "never expires now.".to_owned() };
    match dates::ended_day(until) {
        Some(day) => format!("may be used to the end of {day} (UTC) now."),
        None => format!("may be used until {until} now."),
    }
}

/// Deletes a license, and returns what was done in a sentence.
///
/// # Errors
/// Why not; nothing was done then.
pub fn delete(changes: &Changes<'_>, doer: &Doer<'_>, id: i64) -> Result<String, Refusal> {
    let license = find(changes, id)?;
    unchanged_since(&license, doer)?;
    let detail = format!("of {}, plan {}, key {}", license.owner_name, license.plan.slug, license.key.masked());
    changes.add_event(Some(id), doer.actor, Action::Deleted, &detail)?;
    changes.delete_license(id)?;
    Ok(format!("License {id} is deleted. Its history stays."))
}

/// Frees the slot of an address, and returns what was done in a sentence.
///
/// # Errors
/// Why not; nothing was done then.
pub fn revoke(changes: &Changes<'_>, actor: &Actor, id: i64, ip: IpAddr) -> Result<String, Refusal> {
    find(changes, id)?;
    within_owner_limit(changes, actor, id)?;
    if !changes.delete_activation(id, ip)? {
        return Err(Refusal::NotFound(format!("License {id} is not activated on {ip}.")));
    }
    changes.add_event(Some(id), actor, Action::Revoked, &ip.to_string())?;
    Ok(format!("{ip} no longer uses license {id}. Its slot is free now."))
}

/// Gives the slot, or the lock, of one address to another, and returns what was done in a sentence.
///
/// # Errors
/// Why not; nothing was done then.
pub fn move_to(changes: &Changes<'_>, actor: &Actor, id: i64, from: IpAddr, to: IpAddr) -> Result<String, Refusal> {
    let mut license = find(changes, id)?;
    if from == to {
        return Err(Refusal::Conflict(format!("{from} and {to} are the same address.")));
    }
    of_a_server(to)?;
    within_owner_limit(changes, actor, id)?;
    let taken = || Refusal::Conflict(format!("License {id} is used on {to} already. Revoke one of the two instead."));
    let moved = changes.move_activation(id, from, to).map_err(|error| match error {
        Error::Taken => taken(),
        error => error.into(),
    })?;
    let locked = license.locked_ip == Some(from);
    if locked {
        license.locked_ip = Some(to);
        changes.update_license(&license)?;
    }
    if !moved && !locked {
        return Err(Refusal::NotFound(format!("License {id} is neither activated on {from} nor locked to it.")));
    }
    let lock = if locked { ", with the lock" } else { "" };
    changes.add_event(Some(id), actor, Action::Moved, &format!("from {from} to {to}{lock}"))?;
    Ok(format!("License {id} is used on {to} instead of {from} now."))
}

/// Makes a plan or changes it, and returns what was done in a sentence.
///
/// # Errors
/// Why not; nothing was done then.
pub fn set_plan(changes: &Changes<'_>, actor: &Actor, plan: &Plan) -> Result<String, Refusal> {
    let is_slug = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if plan.slug.is_empty() || plan.slug.len() > 32 || !plan.slug.bytes().all(is_slug) {
        return Err(Refusal::Invalid(format!(
            "“{}” is no name for a plan: 1 to 32 lower-case letters, digits and hyphens.",
            plan.slug
        )));
    }
    if plan.name.trim().is_empty() || plan.name.chars().count() > 64 || plan.name.chars().any(char::is_control) {
        return Err(Refusal::Invalid("A plan's title has 1 to 64 characters on one line.".to_owned()));
    }
    changes.put_plan(plan)?;
    let limits = format!("{} accounts, {} servers", limit(plan.max_accounts), limit(plan.max_servers));
    changes.add_event(None, actor, Action::PlanSet, &format!("{}: {limits}", plan.slug))?;
    Ok(format!("The plan {} allows {limits} now.", plan.slug))
}

/// Makes a user and returns the number.
///
/// # Errors
/// Why not; nothing was done then.
pub fn add_user(
    changes: &Changes<'_>,
    actor: &Actor,
    name: &str,
    password_hash: &str,
    administrator: bool,
) -> Result<i64, Refusal> {
    check_user_name(name)?;
    let id = changes.insert_user(name, password_hash, administrator).map_err(|error| match error {
        Error::Taken => Refusal::Conflict(format!("There is a user “{name}” already.")),
        error => error.into(),
    })?;
    let role = if administrator { "administrator" } else { "owner" };
    changes.add_event(None, actor, Action::UserAdded, &format!("{name}, {role}"))?;
    Ok(id)
}

/// Checks the name of a new user.
///
/// # Errors
/// It is none; a sentence says what one is.
pub fn check_user_name(name: &str) -> Result<(), Refusal> {
    let is_name = |character: char| character.is_alphanumeric() || matches!(character, '.' | '_' | '-' | '@' | '+');
    if !name.is_empty() && name.chars().count() <= 128 && name.chars().all(is_name) {
        return Ok(());
    }
    let name = one_line(name, 128);
    Err(Refusal::Invalid(format!("“{name}” is no name for a user: 1 to 128 letters, digits and any of . _ - @ +")))
}

/// Sets a user's password, and ends their sessions.
///
/// # Errors
/// Why not; nothing was done then.
pub fn set_password(changes: &Changes<'_>, actor: &Actor, name: &str, password_hash: &str) -> Result<(), Refusal> {
    let no_user = || Refusal::NotFound(format!("There is no user “{name}”."));
    let (user, _) = changes.user(name)?.ok_or_else(no_user)?;
    changes.set_password(user.id, password_hash)?;
    changes.add_event(None, actor, Action::PasswordChanged, &user.name)?;
    Ok(())
}

/// A limit in words.
pub fn limit(limit: u32) -> String {
    if limit == 0 { "unlimited".to_owned() } else { limit.to_string() }
}

/// An expiry in words.
pub fn date(at: Option<Timestamp>) -> String {
    at.map_or("never".to_owned(), dates::end)
}

/// All billing facts in words.
pub fn facts(billing: &Billing) -> String {
    let Some(status) = &billing.subscription_status else { return "no subscription".to_owned() };
    let period = billing.current_period_end.map(|end| format!(", period to {}", dates::the_end(end)));
    let ends = billing.cancel_at_period_end.map(|ends| if ends { ", cancelled with it" } else { ", not cancelled" });
    format!("{status}{}{}", period.unwrap_or_default(), ends.unwrap_or_default())
}

fn find(changes: &Changes<'_>, id: i64) -> Result<License, Refusal> {
    changes.license(id)?.ok_or_else(|| Refusal::NotFound(format!("There is no license {id}.")))
}

fn find_plan(changes: &Changes<'_>, slug: &str) -> Result<Plan, Refusal> {
    let known = |plans: Vec<Plan>| plans.into_iter().map(|plan| plan.slug).collect::<Vec<_>>().join(", ");
    match changes.plan(slug)? {
        Some(plan) => Ok(plan),
        None => {
            Err(Refusal::NotFound(format!("There is no plan “{slug}”. The plans are: {}.", known(changes.plans()?))))
        }
    }
}

fn in_the_future(at: Option<Timestamp>, now: Timestamp) -> Result<(), Refusal> {
    match at.filter(|at| *at <= now) {
        None => Ok(()),
        Some(at) => {
            let end = dates::ended_day(at).map_or_else(|| at.to_string(), |day| format!("The end of {day}"));
            Err(Refusal::Invalid(format!("{end} is in the past. To end a license, suspend or cancel it.")))
        }
    }
}

fn of_a_server(ip: IpAddr) -> Result<(), Refusal> {
    if !is_of_a_host(ip) {
        return Err(Refusal::Invalid(format!("{ip} is not the address of a server.")));
    }
    Ok(())
}

fn unchanged_since(license: &License, doer: &Doer<'_>) -> Result<(), Refusal> {
    match doer.seen {
        Some(seen) if seen != license.revision => Err(Refusal::Stale),
        _ => Ok(()),
    }
}

fn within_owner_limit(changes: &Changes<'_>, actor: &Actor, id: i64) -> Result<(), Refusal> {
    if actor.role != Role::Owner {
        return Ok(());
    }
    let since = changes.now().minus(OWNER_CHANGES_TIME);
    let count = changes.count_by_owners(id, since)?;
    if count < OWNER_CHANGES { Ok(()) } else { Err(Refusal::TooOften) }
}

#[cfg(test)]
#[path = "actions_tests.rs"]
mod tests;
