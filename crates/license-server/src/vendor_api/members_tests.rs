use super::*;
use serde_json::json;

const INNER: &[Member] = &[member("name", Kind::Line(5), Presence::Required)];

const fn member(name: &'static str, kind: Kind, presence: Presence) -> Member {
    Member { name, kind, presence, about: "" }
}

/// The result of a body `{"m": value}`.
fn checked(kind: Kind, value: Value) -> Result<(), (Option<String>, String)> {
    let member: &'static Member = Box::leak(Box::new(member("m", kind, Presence::Optional)));
    let object = json!({ "m": value }).as_object().cloned().unwrap();
    Members::check(object, &[member]).map(drop).map_err(|error| {
        assert_eq!(error.code.status(), 422);
        (error.field, error.message)
    })
}

#[test]
fn each_kind_takes_its_own_values_only() {
    let good = [
        (Kind::Line(5), json!("äöüäö")),
        (Kind::Text(5), json!("")),
        (Kind::Text(5), json!("a\nb\tc")),
        (Kind::Instant, json!("2027-03-01T00:00:00+01:00")),
        (Kind::Address, json!("::ffff:203.0.113.5")),
        (Kind::Flag, json!(false)),
        (Kind::Integer(1, 100), json!(100)),
        (Kind::Choice(&["a", "b"]), json!("b")),
        (Kind::Lines(2, 5), json!(["a", "b"])),
        (Kind::Object(INNER), json!({"name": "x"})),
        (Kind::LineOrObject(5, INNER), json!("x")),
        (Kind::LineOrObject(5, INNER), json!({"name": "x"})),
    ];
    for (kind, value) in good {
        assert_eq!(checked(kind, value.clone()), Ok(()), "{value}");
    }
    let bad = [
        (Kind::Line(5), json!(""), "m", "1 to 5 characters"),
        (Kind::Line(5), json!("123456"), "m", "1 to 5 characters"),
        (Kind::Line(5), json!(5), "m", "must be a string"),
        (Kind::Line(5), json!(null), "m", "must be a string"),
        (Kind::Line(5), json!("a\0b"), "m", "control character"),
        (Kind::Line(5), json!("a\nb"), "m", "control character"),
        (Kind::Line(5), json!("a\u{202e}b"), "m", "control character"),
        (Kind::Line(5), json!(" ab"), "m", "blank"),
        (Kind::Line(5), json!("ab\u{a0}"), "m", "blank"),
        (Kind::Text(5), json!("123456"), "m", "at most 5"),
        (Kind::Text(5), json!("a\0b"), "m", "control character"),
        (Kind::Instant, json!("2027-03-01"), "m", "RFC 3339"),
        (Kind::Instant, json!(1_800_000_000), "m", "RFC 3339"),
        (Kind::Address, json!("203.0.113.5/24"), "m", "IP address"),
        (Kind::Flag, json!("true"), "m", "true or false"),
        (Kind::Flag, json!(1), "m", "true or false"),
        (Kind::Integer(1, 100), json!(0), "m", "from 1 to 100"),
        (Kind::Integer(1, 100), json!(1.5), "m", "from 1 to 100"),
        (Kind::Integer(1, 100), json!(-1), "m", "from 1 to 100"),
        (Kind::Integer(1, 100), json!("5"), "m", "from 1 to 100"),
        (Kind::Choice(&["a", "b"]), json!("A"), "m", "one of: a, b"),
        (Kind::Lines(2, 5), json!(["a", "b", "c"]), "m", "at most 2"),
        (Kind::Lines(2, 5), json!(["a", 7]), "m.1", "must be a string"),
        (Kind::Lines(2, 5), json!("a"), "m", "array"),
        (Kind::Object(INNER), json!({}), "m.name", "missing"),
        (Kind::Object(INNER), json!({"name": "x", "other": 1}), "m.other", "Unknown name. Known are: name."),
        (Kind::LineOrObject(5, INNER), json!([]), "m", "a string or an object"),
    ];
    for (kind, value, field, message) in bad {
        let (found_field, found_message) = checked(kind, value.clone()).unwrap_err();
        assert_eq!(found_field.as_deref(), Some(field), "{value}");
        assert!(found_message.contains(message), "{value}: {found_message}");
    }
}

#[test]
fn a_query_has_the_declared_parameters_once() {
    const LIMIT: Member = member("limit", Kind::Integer(1, 100), Presence::Optional);
    const OVER: Member = member("over", Kind::Flag, Presence::Optional);
    const NAME: Member = member("name", Kind::Line(10), Presence::Optional);
    let parse = |query: &str| Members::of_query(query, &[&LIMIT, &OVER, &NAME]);
    let members = parse("limit=7&over=1&name=a+%C3%A4%26").unwrap();
    assert_eq!(
        (members.integer("limit"), members.flag("over"), members.text("name")),
        (Some(7), Some(true), Some("a ä&"))
    );
    assert_eq!(parse("").unwrap(), Members::default());
    let table = [
        ("limit=0", 422, Some("limit")),
        ("limit=101", 422, Some("limit")),
        ("limit=99999999999999999999", 422, Some("limit")),
        ("limit=", 422, Some("limit")),
        ("limit", 422, Some("limit")),
        ("limit=7&limit=7", 422, Some("limit")),
        ("over=yes", 422, Some("over")),
        ("name=a%00b", 422, Some("name")),
        ("other=1", 422, Some("other")),
        ("name=%ff", 400, None),
        ("name=%", 400, None),
    ];
    for (query, status, field) in table {
        let error = parse(query).unwrap_err();
        assert_eq!((error.code.status(), error.field.as_deref()), (status, field), "{query}");
    }
}
