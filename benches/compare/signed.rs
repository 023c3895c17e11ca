//! The cost of a signature: alternating open and signed requests over one connection, without other load.
//!
//! Both requests have the same size and header fields, and both are answered from memory; the table shows the sizes of the
//! responses.

use std::time::{Duration, Instant};

use crate::client::Connection;
use crate::effort::Effort;
use crate::failure::{During, Failure};
use crate::report::{Bound, Row, Target};
use crate::rounds::median;
use crate::servers::{STATUS_PATH, Server};

const SIGNED_PATH: &str = "/rspamd/status";
/// Size of each request in bytes.
const REQUEST_SIZE: usize = 400;
/// Number of initial pairs that are not measured.
const WARM_UP: u32 = 500;

pub(crate) fn measure(effort: &Effort, agent: &Server, secret: &str) -> Result<Vec<Row>, Failure> {
    let mut connection = Connection::open(agent.port).during("connect")?;
    let mut open = Measured::new("GET", STATUS_PATH, secret);
    let mut signed = Measured::new("POST", SIGNED_PATH, secret);
    for turn in 0..WARM_UP + effort.signed_pairs {
        for request in [&mut open, &mut signed] {
            let time = request.send(&mut connection)?;
            if turn >= WARM_UP {
                request.times.push(time.as_secs_f64() * 1e6);
            }
        }
    }
    Ok(rows(&open, &signed))
}

fn rows(open: &Measured, signed: &Measured) -> Vec<Row> {
    let by_median = median(&signed.times) - median(&open.times);
    let by_mean = mean(&signed.times) - mean(&open.times);
    let limit = || [Target::Agent(Bound::AtMost(10.0))];
    vec![
        Row::of_agent(open.name(), "µs", median(&open.times)).named("open_request"),
        Row::of_agent(signed.name(), "µs", median(&signed.times)).named("signed_request"),
        Row::of_agent("signed more than open, by median", "µs", by_median).targets(limit()),
        Row::of_agent("signed more than open, by mean", "µs", by_mean).targets(limit()),
    ]
}

/// One of the two requests, and its measurements.
struct Measured {
    path: &'static str,
    request: Vec<u8>,
    /// In microseconds.
    times: Vec<f64>,
    status: u16,
    answer_size: usize,
}

impl Measured {
    /// The open request also has a signature, which the Agent ignores.
    fn new(method: &str, path: &'static str, secret: &str) -> Self {
        let timestamp = timestamp(time::OffsetDateTime::now_utc());
        let signature = signature(secret, &format!("{timestamp}{method}{path}"));
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\
             X-Timestamp: {timestamp}\r\nX-Signature: {signature}\r\nX-Padding: "
        );
        let width = REQUEST_SIZE.saturating_sub(head.len() + 4);
        let request = format!("{head}{:x<width$}\r\n\r\n", "").into_bytes();
        Measured { path, request, times: Vec::new(), status: 0, answer_size: 0 }
    }

    fn name(&self) -> String {
        let (size, status, answer) = (self.request.len(), self.status, self.answer_size);
        format!("{}: {size} bytes in, {status} and {answer} out", self.path)
    }

    fn send(&mut self, connection: &mut Connection) -> Result<Duration, Failure> {
        let begin = Instant::now();
        let answer = connection.exchange(&self.request).during(self.path)?;
        let time = begin.elapsed();
        (self.status, self.answer_size) = (answer.status, answer.size);
        if matches!(self.status, 200 | 501) {
            return Ok(time);
        }
        Err(Failure::new(format!("{} returned status {}", self.path, self.status)))
    }
}

/// Lowercase hexadecimal HMAC-SHA256, the secret's text as the key.
fn signature(secret: &str, message: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let tag = ring::hmac::sign(&key, message.as_bytes());
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 3339 in whole seconds with a numeric offset, as the Panel sends it.
fn timestamp(now: time::OffsetDateTime) -> String {
    let (date, time) = (now.date(), now.time());
    let (month, day) = (u8::from(date.month()), date.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    format!("{}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+00:00", date.year())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
