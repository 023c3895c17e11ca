//! `GET /licenses`.

use crate::model::{LicenseView, Standing};
use crate::store::{Cursor, Filter, ListedLicense, ReadTransaction, Sort};
use crate::vendor_api::answer::Answer;
use crate::vendor_api::call::Call;
use crate::vendor_api::error::ApiError;
use crate::vendor_api::page::{Page, items};

/// A page of the licenses that pass the filters.
pub(in crate::vendor_api) fn list(transaction: &ReadTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let Some(filter) = filter(transaction, call)? else {
        return Ok(Answer::json(200, &Page::<LicenseView<'_>> { data: Vec::new(), next: None }));
    };
    let page = transaction.licenses(&filter, items(call), call.now)?;
    let views = page
        .licenses
        .iter()
        .map(|ListedLicense { license, servers }| LicenseView::new(license, false, *servers, call.now));
    let next = page.next.as_ref().map(ToString::to_string);
    Ok(Answer::json(200, &Page { data: views.collect(), next }))
}

/// What the parameters ask for; `None` if there is no such owner, who therefore has no licenses.
fn filter(transaction: &ReadTransaction<'_>, call: &Call) -> Result<Option<Filter>, ApiError> {
    let query = &call.query;
    let text = |name: &str| query.text(name).map(str::to_owned);
    let owner = match query.text("owner") {
        None => None,
        Some(name) => match transaction.user(name)? {
            Some((user, _)) => Some(user.id),
            None => return Ok(None),
        },
    };
    let not_a_cursor = || ApiError::invalid("cursor", "It must be `next` of a page with the same filters.");
    let cursor = |text: &str| Cursor::parse(text, Sort::Newest).ok_or_else(not_a_cursor);
    let standing = query.text("standing");
    Ok(Some(Filter {
        owner,
        reference: text("reference"),
        plan: text("plan"),
        standing: Standing::ALL.iter().copied().find(|known| Some(known.as_str()) == standing),
        expires_before: query.instant("expires_before"),
        server_ip: query.address("server_ip"),
        hostname: text("hostname"),
        label: text("label"),
        over_limit: query.flag("over_limit") == Some(true),
        never_used: query.flag("never_used") == Some(true),
        trial: query.flag("trial") == Some(true),
        after: query.text("cursor").map(cursor).transpose()?,
        ..Filter::default()
    }))
}
