//! Parameters in statements: `?1` in the store's, `$1` in PostgreSQL's.

/// Writes `$1` for `?1`, outside of quotes.
pub(super) fn numbered(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut quote = None;
    let mut rest = sql.chars().peekable();
    while let Some(character) = rest.next() {
        match (quote, character) {
            (None, '?') if rest.peek().is_some_and(char::is_ascii_digit) => text.push('$'),
            (None, '\'' | '"') => {
                quote = Some(character);
                text.push(character);
            }
            (Some(open), _) if open == character => {
                quote = None;
                text.push(character);
            }
            _ => text.push(character),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_in_both_dialects() {
        let table = [
            ("SELECT ?1, ?12", "SELECT $1, $12"),
            ("SELECT '?1', \"?2\", ?3", "SELECT '?1', \"?2\", $3"),
            ("SELECT 'it''s ?1' || ?1", "SELECT 'it''s ?1' || $1"),
            ("SELECT '\"' || ?1", "SELECT '\"' || $1"),
            ("SELECT a ? 'b'", "SELECT a ? 'b'"),
            ("?1", "$1"),
            ("", ""),
            ("ends in ?", "ends in ?"),
        ];
        for (sql, expected) in table {
            assert_eq!(numbered(sql), expected);
        }
    }
}
