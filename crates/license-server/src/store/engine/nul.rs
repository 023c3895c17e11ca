//! The character NUL in parameters.

use std::borrow::Cow;

use super::value::Value;

/// The parameters without the character NUL, which no text of PostgreSQL can have: one would fail the statement of a whole batch.
/// The character that takes its place is in no key, address or name.
pub(super) fn without_nul<'p, 'v>(parameters: &'p [Value<'v>]) -> Cow<'p, [Value<'v>]> {
    let has_nul = |text: &Option<Cow<'_, str>>| text.as_ref().is_some_and(|text| text.contains('\0'));
    let replaced = |text: &Option<Cow<'v, str>>| {
        text.as_ref().map(|text| Cow::Owned(text.replace('\0', char::REPLACEMENT_CHARACTER.encode_utf8(&mut [0; 4]))))
    };
    let is_wrong = |value: &Value<'_>| match value {
        Value::Text(text) => has_nul(text),
        Value::Texts(texts) => texts.iter().any(has_nul),
        Value::Integer(_) | Value::Integers(_) => false,
    };
    if !parameters.iter().any(is_wrong) {
        return Cow::Borrowed(parameters);
    }
    let clean = |value: &Value<'v>| match value {
        Value::Text(text) => Value::Text(replaced(text)),
        Value::Texts(texts) => Value::Texts(texts.iter().map(replaced).collect()),
        other => other.clone(),
    };
    Cow::Owned(parameters.iter().map(clean).collect())
}
