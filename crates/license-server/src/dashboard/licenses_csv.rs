//! A list of licenses as CSV (RFC 4180, UTF-8): all that the page lists, up to [`MAX_ROWS`].

use super::form::Form;
use super::list_query::ListQuery;
use super::page;
use super::page_error::PageError;
use super::page_request::PageRequest;
use super::routes::Route;
use super::signed_in_user::SignedInUser;
use crate::store::counting::format_count;
use crate::store::{Error, ListedLicense, ReadTransaction};
use opterius_base::clock::Timestamp;
use opterius_http::response::Response;

/// Licenses in one file, which is sent from memory. The next file continues where it ends.
const MAX_ROWS: usize = 10_000;

/// Licenses that are read at a time.
const PAGE_SIZE: u32 = 500;

/// Pages that are read for one file: those of a filter that passes few licenses can be short.
const MAX_PAGES: u32 = 40;

const HEADER: [&str; 13] = [
    "license",
    "reference",
    "key",
    "owner",
    "plan",
    "status",
    "trial",
    "servers",
    "allowed_servers",
    "last_check_at",
    "expires_at",
    "created_at",
    "labels",
];

/// Answers with the file. If there is more, the header `Link` names the file that continues.
pub(super) fn show(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    query: &Form,
) -> Result<Response, PageError> {
    let query = ListQuery::read(query, signed_in_user);
    let now = page_request.shared.clock.wall();
    let file = page_request.shared.readers.read(|transaction| read(transaction, signed_in_user, &query, now))?;
    let response = page::download("licenses.csv", "text/csv; charset=utf-8", file.text);
    Ok(match file.next {
        Some(next) => response.with_header("Link", format!("<{}>; rel=\"next\"", next.url(Route::LicensesCsv))),
        None => response,
    })
}

/// The text of a file, and the list that continues it.
struct File {
    text: String,
    next: Option<ListQuery>,
}

fn read(
    transaction: &ReadTransaction<'_>,
    signed_in_user: &SignedInUser,
    query: &ListQuery,
    now: Timestamp,
) -> Result<File, Error> {
    let administrator = signed_in_user.user.administrator;
    let mut text = String::new();
    // Labels are the vendor's.
    let columns = if administrator { HEADER.len() } else { HEADER.len().saturating_sub(1) };
    add_line(&mut text, HEADER.iter().take(columns).map(|name| (*name).to_owned()));
    let Some(mut filter) = query.filter(transaction, signed_in_user, now)? else {
        return Ok(File { text, next: None });
    };
    let mut rows: usize = 0;
    for _ in 0..MAX_PAGES {
        let page = transaction.licenses(&filter, PAGE_SIZE, now)?;
        rows = rows.saturating_add(page.licenses.len());
        for listed in &page.licenses {
            add_line(&mut text, values(listed, now).into_iter().take(columns));
        }
        filter.after = page.next;
        if filter.after.is_none() || rows >= MAX_ROWS {
            break;
        }
    }
    let next = filter.after.map(|after| ListQuery { after: after.to_string(), ..query.clone() });
    Ok(File { text, next })
}

fn values(listed: &ListedLicense, now: Timestamp) -> Vec<String> {
    let license = &listed.license;
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    vec![
        license.id.to_string(),
        license.reference.clone().unwrap_or_default(),
        license.key.masked(),
        license.owner_name.clone(),
        license.plan.slug.clone(),
        license.effective_status(now).to_owned(),
        if license.is_trial { "yes" } else { "no" }.to_owned(),
        format_count(listed.servers, license.plan.max_servers),
        if license.plan.max_servers == 0 { String::new() } else { license.plan.max_servers.to_string() },
        time(license.last_check_at),
        time(license.expires_at),
        license.created_at.to_string(),
        license.labels.join(" "),
    ]
}

fn add_line(text: &mut String, values: impl Iterator<Item = String>) {
    let values: Vec<String> = values.map(|value| field(&value)).collect();
    text.push_str(&values.join(","));
    text.push_str("\r\n");
}

/// A value as a field of CSV. A spreadsheet would take text that begins like a formula for one, so it begins with an
/// apostrophe, which a spreadsheet does not show.
fn field(value: &str) -> String {
    let guard = if value.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { "'" } else { "" };
    if guard.is_empty() && !value.contains(['"', ',', '\r', '\n']) {
        return value.to_owned();
    }
    format!("\"{guard}{}\"", value.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_quoted_and_is_never_a_formula() {
        for (value, expected) in [
            ("", ""),
            ("anna", "anna"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\r\nlines", "\"two\r\nlines\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("\r=1", "\"'\r=1\""),
            ("zoë", "zoë"),
        ] {
            assert_eq!(field(value), expected, "{value:?}");
        }
    }
}
