//! Sells the license of the demo as a shop does: through the vendor API of the running license server.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use opterius_base::secret::Secret;
use opterius_base::text::one_line;
use opterius_license_server::commands::failure::Failure;

/// How long the server may take to answer; it is starting.
const ANSWER_TIME: Duration = Duration::from_secs(20);

/// The largest answer in bytes.
const MAX_ANSWER: u64 = 64 * 1024;

/// Creates a license of this owner; returns its number and its key.
pub(super) fn sell(port: u16, token: &Secret, owner: &str) -> Result<(i64, Secret), Failure> {
    let body = serde_json::json!({"owner": owner, "plan": "free", "reference": "demo-1"}).to_string();
    let answer =
        post(port, token, &body).map_err(|error| Failure::refused(format!("no license was created: {error}")))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let license: Value = serde_json::from_str(body).unwrap_or_default();
    let id = license.get("id").and_then(Value::as_i64);
    let key = license.get("key").and_then(Value::as_str).map(|key| Secret::new(key.to_owned()));
    match (id, key) {
        (Some(id), Some(key)) if head.starts_with("HTTP/1.1 201 ") => Ok((id, key)),
        _ => Err(Failure::refused(format!("the license server did not create a license: {}", one_line(&answer, 500)))),
    }
}

fn post(port: u16, token: &Secret, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(ANSWER_TIME))?;
    stream.set_write_timeout(Some(ANSWER_TIME))?;
    let request = format!(
        "POST /api/v1/licenses HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Idempotency-Key: demo-1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        token.expose(),
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}
