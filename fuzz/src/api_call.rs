//! A call of the vendor API: path, query, headers and JSON body of any request are read without a failure of the server, what a
//! handler gets has the form that the table of calls declares, and a refusal has the form of the API's errors.

use std::net::Ipv4Addr;

use opterius_base::clock::Timestamp;
use opterius_base::text::drives_terminal;
use opterius_http::head::{self, STORAGE};
use opterius_license_server::model::{Actor, ApiToken, Role};
use opterius_license_server::store::{Cursor, Sort};
use opterius_license_server::vendor_api::call::Call;
use opterius_license_server::vendor_api::error::{ApiError, MAX_FIELD};
use opterius_license_server::vendor_api::members::{Kind, Member, Presence};
use opterius_license_server::vendor_api::route::{Handler, Route};
use opterius_license_server::vendor_api::{PREFIX, read};
use serde_json::{Map, Value};

use super::input::Input;

const NOW: Timestamp = Timestamp::from_unix(1_777_636_800);

/// The input is a request: the method, the target below the prefix, lines with headers up to an empty one, and the body.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let (method, target) = (input.text(), input.text());
    let mut headers = String::new();
    loop {
        let line = input.text();
        if line.is_empty() {
            break;
        }
        headers.push_str(&format!("{line}\r\n"));
    }
    let body = input.rest();
    check_cursors(&target);
    let bytes = format!(
        "{method} {PREFIX}{target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nContent-Type: application/json\r\n\
         {headers}\r\n"
    );
    let Some(call) = called(&bytes, body) else { return };
    match &call {
        Ok((route, call)) => {
            check_call(route, call);
            check_repetition(route, call, &bytes, body);
        }
        Err(error) => check_refusal(error),
    }
}

/// Reads a request; `None` if its head is not one, which another target checks.
fn called(bytes: &str, body: &[u8]) -> Option<Result<(&'static Route, Call), ApiError>> {
    let mut storage = STORAGE;
    let (head, _) = head::parse(bytes.as_bytes(), &mut storage).ok()?;
    if !head.path.starts_with(PREFIX) {
        return None;
    }
    Some(read(&head, body, token(), NOW))
}

fn token() -> ApiToken {
    ApiToken {
        id: 1,
        name: "fuzz".to_owned(),
        scopes: Vec::new(),
        networks: Vec::new(),
        created_at: NOW,
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
        creator: Actor { role: Role::Operator, name: "fuzz".to_owned() },
    }
}

fn check_call(route: &Route, call: &Call) {
    assert_eq!(call.path.len(), route.path.matches('{').count());
    let declared = |members: &[&'static Member], text: String| {
        let object: Map<String, Value> = serde_json::from_str(&text).unwrap();
        check_object(&object, members);
    };
    declared(&route.parameters(), call.query.to_json());
    declared(&route.members(), call.body.to_json());
    if let Some(key) = &call.idempotency_key {
        assert!((1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()), "{key:?}");
    }
    assert!(call.if_match.as_ref().is_none_or(|revisions| (1..=16).contains(&revisions.len())));
    assert_eq!(call.request_sha256.len(), 64);
    assert_eq!(call.client, Ipv4Addr::LOCALHOST);
}

/// The members are declared ones with values of their kind, and none is missing.
fn check_object(object: &Map<String, Value>, declared: &[&'static Member]) {
    for member in declared {
        match (object.get(member.name), member.presence) {
            (None, presence) => assert!(presence != Presence::Required, "{} is missing", member.name),
            (Some(Value::Null), presence) => assert!(presence == Presence::Nullable, "{} is null", member.name),
            (Some(value), _) => assert!(is_of(&member.kind, value), "{}: {value}", member.name),
        }
    }
    let is_declared = |name: &String| declared.iter().any(|member| member.name == name);
    assert!(object.keys().all(is_declared), "{object:?}");
}

/// Whether the value is of the kind, by other means than the checks of the API.
fn is_of(kind: &Kind, value: &Value) -> bool {
    let line = |text: &str, most: usize| {
        (1..=most).contains(&text.chars().count()) && !text.chars().any(drives_terminal) && text.trim() == text
    };
    match (kind, value) {
        (Kind::Line(most) | Kind::LineOrObject(most, _), Value::String(text)) => line(text, *most),
        (Kind::Text(most), Value::String(text)) => {
            text.chars().count() <= *most && !text.chars().any(|c| drives_terminal(c) && c != '\n' && c != '\t')
        }
        (Kind::Instant, Value::String(text)) => text.len() >= 20 && text.is_ascii(),
        (Kind::Address, Value::String(text)) => text.len() <= 45 && text.contains(['.', ':']),
        (Kind::BlockTime, Value::String(text)) => {
            let (digits, unit) = text.split_at(text.len() - 1);
            let most = if unit == "d" { 90 } else { 2160 };
            ["h", "d"].contains(&unit) && (1..=most).contains(&digits.parse::<u32>().unwrap())
        }
        (Kind::Flag, Value::Bool(_)) => true,
        (Kind::Integer(least, most), Value::Number(number)) => {
            number.as_u64().is_some_and(|number| *least <= number && number <= *most)
        }
        (Kind::Choice(choices), Value::String(text)) => choices.contains(&text.as_str()),
        (Kind::Choices(known), Value::Array(items)) => {
            !items.is_empty() && items.iter().all(|item| known().contains(&item.as_str().unwrap()))
        }
        (Kind::Lines(most, length), Value::Array(items)) => {
            items.len() <= *most && items.iter().all(|item| line(item.as_str().unwrap(), *length))
        }
        (Kind::Object(members) | Kind::LineOrObject(_, members), Value::Object(object)) => {
            check_object(object, &members.iter().collect::<Vec<_>>());
            true
        }
        _ => false,
    }
}

/// A rehearsal is the same call, and the same request is the same call again.
fn check_repetition(route: &Route, call: &Call, bytes: &str, body: &[u8]) {
    let again = |bytes: &str| called(bytes, body).unwrap().unwrap().1;
    assert_eq!(again(bytes).request_sha256, call.request_sha256);
    if matches!(route.handler, Handler::Write(_)) && !call.query.has("dry_run") {
        let (head, rest) = bytes.split_once(" HTTP/1.1").unwrap();
        let separator = if head.contains('?') { '&' } else { '?' };
        if bytes.len() + 10 <= opterius_http::limits::MAX_HEAD {
            let rehearsed = again(&format!("{head}{separator}dry_run=1 HTTP/1.1{rest}"));
            assert!(rehearsed.is_dry_run());
            assert_eq!(rehearsed.request_sha256, call.request_sha256);
        }
    }
}

/// A mistake of the client is never a failure of the server, and the answer repeats little of it.
fn check_refusal(error: &ApiError) {
    let status = error.code.status();
    assert!((400..500).contains(&status), "{status}");
    let response = error.clone().answer("r");
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    let members = &body["error"];
    assert_eq!((&members["code"], &members["request_id"]), (&error.code.as_str().into(), &"r".into()));
    let message = members["message"].as_str().unwrap();
    assert!((1..=2000).contains(&message.len()) && !message.chars().any(drives_terminal), "{message:?}");
    if let Some(field) = members["field"].as_str() {
        assert!(field.chars().count() <= MAX_FIELD && !field.chars().any(drives_terminal), "{field:?}");
    }
    let is_safe = |value: &String| value.bytes().all(|byte| (b' '..0x7f).contains(&byte));
    assert!(response.headers.iter().all(|(_, value)| is_safe(value)), "{:?}", response.headers);
}

/// A cursor in the target leads to the same place again.
fn check_cursors(text: &str) {
    for sort in Sort::ALL {
        if let Some(cursor) = Cursor::parse(text, *sort) {
            assert_eq!(Cursor::parse(&cursor.to_string(), *sort), Some(cursor));
        }
    }
}
