//! Formatting of values for pages.

use crate::model::describe::limit;
use crate::store::counting::format_count;
use opterius_base::text::one_line;

/// The maximum length of text from a server, in characters.
const MAX_TEXT: usize = 300;

/// “2 of 5”, “3 of unlimited”, “1000+ of unlimited”.
pub(super) fn used(servers: u32, allowed: u32) -> String {
    format!("{} of {}", format_count(servers, allowed), limit(allowed))
}

/// Text that a server has reported, cleaned for display.
pub(super) fn text(text: &str) -> String {
    one_line(text, MAX_TEXT)
}

/// The first `most` items, and the id of the last of these if there are more.
pub(super) fn split<T>(mut read: Vec<T>, most: usize, id: impl Fn(&T) -> i64) -> (Vec<T>, Option<i64>) {
    let more = read.len() > most;
    read.truncate(most);
    let last = read.last().map(id).filter(|_| more);
    (read, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_next_page_only_if_there_are_more_items() {
        let id = |number: &i64| *number;
        assert_eq!(split(vec![9, 8, 7], 2, id), (vec![9, 8], Some(8)));
        assert_eq!(split(vec![9, 8], 2, id), (vec![9, 8], None));
        assert_eq!(split(vec![], 2, id), (vec![], None));
    }
}
