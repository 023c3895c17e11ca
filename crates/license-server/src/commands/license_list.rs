//! `license list`: licenses by the filters of the API, read and printed page by page, so that a million of them need no more
//! memory than a page.

use crate::PROGRAM;
use crate::actions::Refusal;
use crate::commands::failure::Failure;
use crate::commands::listing::Listing;
use crate::commands::lookup;
use crate::commands::session::Session;
use crate::model::LicenseView;
use crate::model::change_error::find_plan;
use crate::model::describe::{expiry, limit};
use crate::store::{Filter, ListedLicense};
use opterius_base::clock::Timestamp;
use opterius_daemon::output::complain;

/// Licenses that are read at a time.
const PAGE: u32 = 200;

/// Lists at most `most` licenses, or all, newest first. What is not listed is said on stderr, with where to continue.
pub(super) fn list(
    session: &mut Session,
    owner: Option<&str>,
    filter: &Filter,
    most: Option<u64>,
    json: bool,
) -> Result<(), Failure> {
    let now = Session::now();
    let mut filter = complete(session, owner, filter)?;
    let header = &["ID", "KEY", "OWNER", "PLAN", "STATUS", "EXPIRES", "SERVERS"];
    let mut listing = Listing::new(json, header);
    let mut left = most.unwrap_or(u64::MAX);
    let is_cut = loop {
        let count = u32::try_from(left).map_or(PAGE, |left| left.min(PAGE));
        let page = session.read(|transaction| Ok(transaction.licenses(&filter, count, now)?))?;
        let is_read = listing.add(&page.licenses, |listed| row(listed, now), |listed| view(listed, now))?;
        left = left.saturating_sub(u64::try_from(page.licenses.len()).unwrap_or(u64::MAX));
        filter.after = page.next;
        if filter.after.is_none() || left == 0 || !is_read {
            break page.is_search_cut;
        }
    };
    listing.end("No licenses.")?;
    if let Some(cursor) = filter.after.filter(|_| left == 0) {
        complain(
            PROGRAM.name,
            &format!("there are more licenses: continue with --cursor {cursor}, or use --all for all"),
        );
    } else if is_cut {
        complain(PROGRAM.name, "the search finds more licenses than can be listed: make the text longer");
    }
    Ok(())
}

/// The filter with the number of the owner, if there are such an owner and such a plan.
fn complete(session: &mut Session, owner: Option<&str>, filter: &Filter) -> Result<Filter, Failure> {
    session.read(|transaction| {
        let owner = owner.map(|name| lookup::user(transaction, name)).transpose()?.map(|user| user.id);
        if let Some(slug) = &filter.plan {
            find_plan(&transaction.plans()?, slug).map_err(Refusal::from)?;
        }
        Ok(Filter { owner, all_servers: true, ..filter.clone() })
    })
}

fn row(ListedLicense { license, servers }: &ListedLicense, now: Timestamp) -> Vec<String> {
    let allowed = limit(license.plan.max_servers);
    vec![
        license.id.to_string(),
        license.key.masked(),
        license.owner_name.clone(),
        license.plan.slug.clone(),
        license.effective_status(now).to_owned(),
        expiry(license.expires_at),
        format!("{servers} of {allowed}"),
    ]
}

fn view(ListedLicense { license, servers }: &ListedLicense, now: Timestamp) -> LicenseView<'_> {
    LicenseView::new(license, false, *servers, now)
}
