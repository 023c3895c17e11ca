//! How values are shown: limits, texts from elsewhere, and lists of which a page shows a part.

use crate::model::describe::limit;
use crate::store::counting::format_count;
use opterius_base::text::one_line;

/// Characters of a text from elsewhere that are shown.
const SHOWN: usize = 300;

/// “2 of 5”, “3 of unlimited”, “1000+ of unlimited”.
pub(super) fn used(servers: u32, allowed: u32) -> String {
    format!("{} of {}", format_count(servers, allowed), limit(allowed))
}

/// Text that a server said of itself.
pub(super) fn text(text: &str) -> String {
    one_line(text, SHOWN)
}

/// The first `most` of what was read, and the last of them when there are more.
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
    fn a_list_goes_on_only_when_there_is_more() {
        let id = |number: &i64| *number;
        assert_eq!(split(vec![9, 8, 7], 2, id), (vec![9, 8], Some(8)));
        assert_eq!(split(vec![9, 8], 2, id), (vec![9, 8], None));
        assert_eq!(split(vec![], 2, id), (vec![], None));
    }
}
