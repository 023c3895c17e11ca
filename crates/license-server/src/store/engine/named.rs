//! Named parameters, for statements that are put together from parts.

use super::value::Value;

/// Replaces each `:name` of a statement by the number of its value, and drops the values that the statement does not use.
pub(super) fn numbered<'v>(sql: &str, values: &[(&str, Value<'v>)]) -> (String, Vec<Value<'v>>) {
    let mut text = String::with_capacity(sql.len());
    let mut used: Vec<&str> = Vec::new();
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once(':') {
        text.push_str(before);
        let end = after.find(|letter: char| letter != '_' && !letter.is_ascii_alphanumeric()).unwrap_or(after.len());
        let (name, remaining) = after.split_at(end);
        if values.iter().any(|(known, _)| *known == name) {
            let position = used.iter().position(|known| *known == name).unwrap_or_else(|| {
                used.push(name);
                used.len().saturating_sub(1)
            });
            text.push('?');
            text.push_str(&position.saturating_add(1).to_string());
        } else {
            text.push(':');
            text.push_str(name);
        }
        rest = remaining;
    }
    text.push_str(rest);
    let value = |name: &&str| values.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    (text, used.iter().filter_map(value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_one_number_and_unused_values_are_dropped() {
        let number = |number| Value::Integer(Some(number));
        let values = [("ip", number(1)), ("id", number(2)), ("unused", number(3)), ("id_2", number(4))];
        let (sql, used) = numbered("a = :id AND b > :ip OR c = :id_2 AND d = :id", &values);
        assert_eq!(sql, "a = ?1 AND b > ?2 OR c = ?3 AND d = ?1");
        assert_eq!(used, [number(2), number(1), number(4)]);
        assert_eq!(numbered("x::text", &values).0, "x::text");
    }
}
