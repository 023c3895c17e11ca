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

/// A number with separated thousands: “1,234,567”.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && digits.len().saturating_sub(index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The part that a number is of `all`, in hundredths of a percent.
pub(super) fn share(number: u64, all: u64) -> u64 {
    let exact = u128::from(number).saturating_mul(10_000).checked_div(u128::from(all)).unwrap_or(0);
    u64::try_from(exact).unwrap_or(u64::MAX)
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
    fn thousands_are_separated() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (123_456, "123,456"), (u64::MAX, "18,446,744,073,709,551,615")]
        {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn a_share_never_overflows() {
        for (number, all, expected) in [(0, 0, 0), (1, 3, 3333), (3, 3, 10_000), (u64::MAX, u64::MAX, 10_000)] {
            assert_eq!(share(number, all), expected);
        }
    }

    #[test]
    fn a_list_has_a_next_page_only_if_there_are_more_items() {
        let id = |number: &i64| *number;
        assert_eq!(split(vec![9, 8, 7], 2, id), (vec![9, 8], Some(8)));
        assert_eq!(split(vec![9, 8], 2, id), (vec![9, 8], None));
        assert_eq!(split(vec![], 2, id), (vec![], None));
    }
}
