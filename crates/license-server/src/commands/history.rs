//! `history`: what changed, when, and by whom.

use serde::Serialize;

use crate::PROGRAM;
use crate::commands::failure::Failure;
use crate::commands::listing::{Listing, table};
use crate::commands::lookup;
use crate::commands::session::Session;
use crate::commands::values::LicenseRef;
use crate::model::{Action, Event, Role};
use opterius_base::clock::Timestamp;
use opterius_daemon::output::complain;

/// Entries that are printed without --all, and that are read at a time.
const PAGE: u32 = 50;

const HEADER: &[&str] = &["TIME", "LICENSE", "ACTION", "DETAILS", "ACTOR"];

/// An entry in JSON.
#[derive(Serialize)]
pub(super) struct EventView {
    id: i64,
    at: Timestamp,
    license: Option<i64>,
    role: Role,
    actor: String,
    action: Action,
    detail: String,
}

impl EventView {
    pub(super) fn new(event: &Event) -> Self {
        let Event { id, at, license, actor, action, detail } = event.clone();
        Self { id, at, license, role: actor.role, actor: actor.name, action, detail }
    }
}

pub(super) fn list(
    session: &mut Session,
    license_ref: Option<&LicenseRef>,
    all: bool,
    json: bool,
) -> Result<(), Failure> {
    let license = match license_ref {
        // A deleted license still has a history.
        Some(LicenseRef::Number(number)) => Some(*number),
        Some(license_ref) => Some(session.read(|transaction| lookup::license(transaction, license_ref))?.id),
        None => None,
    };
    let mut listing = Listing::new(json, HEADER);
    let (mut before, mut is_first) = (None, true);
    let is_more = loop {
        // One more than a page, to know whether there are more.
        let mut page =
            session.read(|transaction| Ok(transaction.history(license, before, PAGE.saturating_add(1))?))?;
        if let Some(license_ref) = license_ref.filter(|_| is_first && page.is_empty()) {
            session.read(|transaction| lookup::license(transaction, license_ref))?;
        }
        is_first = false;
        let is_more = page.len() > usize::try_from(PAGE).unwrap_or(usize::MAX);
        page.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
        before = page.last().map(|event| event.id);
        let is_read = listing.add(&page, row, EventView::new)?;
        if !(all && is_more && is_read) {
            break is_more && !all;
        }
    };
    listing.end("No history.")?;
    if is_more {
        complain(PROGRAM.name, &format!("only the latest {PAGE} entries are shown; use --all for all"));
    }
    Ok(())
}

/// A table of these entries.
pub(super) fn table_of(events: &[Event]) -> String {
    table(HEADER, events.iter().map(row).collect())
}

fn row(event: &Event) -> Vec<String> {
    vec![
        event.at.to_string(),
        event.license.map_or("-".to_owned(), |license| license.to_string()),
        event.action.as_str().to_owned(),
        event.detail.clone(),
        format!("{} {}", event.actor.role.as_str(), event.actor.name),
    ]
}
