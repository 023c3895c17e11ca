//! Pages of lists.

use serde::Serialize;

use super::call::Call;

/// Items of a page, if the client does not say.
const ITEMS: u32 = 20;

/// A page of a list in JSON.
#[derive(Serialize)]
pub(super) struct Page<T> {
    /// The items.
    pub(super) data: Vec<T>,
    /// Where the next page begins; null at the end. A page can be short, or empty, and still have a next one.
    pub(super) next: Option<String>,
}

/// How many items the page is to have.
pub(super) fn items(call: &Call) -> u32 {
    call.query.integer("limit").and_then(|limit| u32::try_from(limit).ok()).unwrap_or(ITEMS)
}
