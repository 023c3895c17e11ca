use std::fmt;

use super::*;

fn refused<T: fmt::Debug>(result: Result<T, Problem>, what: &str) {
    assert!(matches!(&result, Err(Problem::Invalid { .. })), "{what:?}: {result:?}");
}

#[test]
fn an_error_names_the_field_and_its_rule() {
    let fields = |json: &str| Fields::parse(json.as_bytes()).unwrap();
    let refusal = |problem: Problem| problem.message();
    assert_eq!(refusal(fields("{}").text("domain").unwrap_err()), "“domain” is missing.");
    assert_eq!(
        refusal(fields(r#"{"domain":null}"#).text("domain").unwrap_err()),
        "“domain” must be a string, not null."
    );
    assert_eq!(refusal(fields(r#"{"domain":7}"#).text("domain").unwrap_err()), "“domain” must be a string.");
    assert_eq!(fields(r#"{"a":null}"#).optional_text("a"), Ok(None));
    assert_eq!(fields(r#"{"a":""}"#).optional_text("a"), Ok(None));
    refused(fields(r#"{"a":[]}"#).optional_text("a").map(|_| ()), "a list");
    for (json, expected) in [(r#"{"n":5}"#, Some(5)), (r#"{"n":"5"}"#, Some(5)), ("{}", None), (r#"{"n":null}"#, None)]
    {
        assert_eq!(fields(json).optional_integer("n", 0, 9), Ok(expected), "{json}");
    }
    for json in [r#"{"n":10}"#, r#"{"n":-1}"#, r#"{"n":"x"}"#, r#"{"n":1.5}"#, r#"{"n":true}"#, r#"{"n":""}"#] {
        refused(fields(json).optional_integer("n", 0, 9), json);
    }
    assert_eq!(fields(r#"{"w":"b"}"#).one_of("w", &[("a", 1), ("b", 2)]), Ok(2));
    for (json, expected) in
        [(r#"{"b":true}"#, true), (r#"{"b":0}"#, false), (r#"{"b":"1"}"#, true), (r#"{"b":"0"}"#, false)]
    {
        assert_eq!(fields(json).boolean("b"), Ok(expected), "{json}");
    }
    for json in ["{}", r#"{"b":null}"#, r#"{"b":2}"#, r#"{"b":"yes"}"#, r#"{"b":[]}"#, r#"{"b":1.5}"#] {
        refused(fields(json).boolean("b"), json);
    }
    refused(fields(r#"{"w":"c"}"#).one_of("w", &[("a", 1), ("b", 2)]), "another word");
}

#[test]
fn a_body_is_an_object_or_empty() {
    for body in ["", "{}", "[]"] {
        assert!(Fields::parse(body.as_bytes()).is_ok(), "{body}");
    }
    for body in ["[1]", "null", "7", "\"x\"", "{", "{\"a\":}", "\u{feff}{}", &"[".repeat(1000)] {
        refused(Fields::parse(body.as_bytes()).map(|_| ()), body);
    }
    refused(Fields::parse(b"{\"a\":\"\xff\"}").map(|_| ()), "not UTF-8");
}

#[test]
fn a_hint_never_fails_and_keeps_every_string() {
    let hints = |json: &str| {
        let fields = Fields::parse(json.as_bytes()).unwrap();
        fields.hints("l").into_iter().map(str::to_owned).collect::<Vec<String>>()
    };
    for json in ["{}", r#"{"l":null}"#, r#"{"l":7}"#, r#"{"l":"a"}"#, r#"{"l":true}"#, r#"{"l":[[],{},null,1.5]}"#] {
        assert_eq!(hints(json), [""; 0], "{json}");
    }
    for json in [r#"{"l":["h_i.example.com","",3]}"#, r#"{"l":{"0":"h_i.example.com","2":"","3":null}}"#] {
        assert_eq!(hints(json), ["h_i.example.com", ""], "{json}");
    }
    assert_eq!(hints(&serde_json::json!({"l": vec!["a"; 5000]}).to_string()).len(), 5000);
}
