//! Checks of responses: each must be a 200 with `"valid":true`; for a sample, the signature, the nonce and the stored row
//! are verified.

use httparse::{EMPTY_HEADER, Response, Status};
use opterius_license::signature::{HEADER, TrustedKeys};
use opterius_license_server::store::{Database, Error, ReadTransaction};

use crate::contents;
use crate::failure::{During, Failure};
use crate::load::{Kind, SentRequest};

/// A response that is verified after the run.
pub(crate) struct Sample {
    pub(crate) request: SentRequest,
    pub(crate) received: Vec<u8>,
}

/// Whether the response is complete.
pub(crate) fn is_whole(received: &[u8]) -> Result<bool, Failure> {
    let mut headers = [EMPTY_HEADER; 16];
    let mut head = Response::new(&mut headers);
    let Status::Complete(begin) = head.parse(received).during("parse a response head")? else { return Ok(false) };
    let length = header(&head, "Content-Length").and_then(|text| text.parse::<usize>().ok());
    let length = length.ok_or_else(|| Failure::new("a response has no Content-Length"))?;
    Ok(received.len() >= begin + length)
}

/// Checks that a complete response grants the license, or refuses it where it has to.
pub(crate) fn check(kind: Kind, received: &[u8]) -> Result<(), Failure> {
    let body = received.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(0, |end| end + 4);
    let (status, valid): (&[u8], &[u8]) = match kind {
        Kind::Refresh | Kind::Activation => (b"HTTP/1.1 200 ", br#"{"valid":true,"#),
        Kind::Refusal | Kind::FirstRefusal => (b"HTTP/1.1 403 ", br#"{"valid":false,"reason":"server_limit_reached""#),
    };
    if received.starts_with(status) && received[body..].starts_with(valid) {
        Ok(())
    } else {
        Err(Failure::new(format!("a verification was answered wrongly:\n{}", String::from_utf8_lossy(received))))
    }
}

fn header<'a>(head: &Response<'_, 'a>, name: &str) -> Option<&'a str> {
    let header = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(header.value).ok()
}

impl Sample {
    /// Checks the signature, and that the response belongs to the request.
    pub(crate) fn verify(&self, trusted: &TrustedKeys) -> Result<(), Failure> {
        let mut headers = [EMPTY_HEADER; 16];
        let mut head = Response::new(&mut headers);
        let parsed = head.parse(&self.received).during("parse a response head")?;
        let begin = if let Status::Complete(begin) = parsed { begin } else { 0 };
        let body = &self.received[begin..];
        let signature = header(&head, HEADER).ok_or_else(|| Failure::new("a response is not signed"))?;
        if trusted.verify(signature, body).is_none() {
            return Err(Failure::new("a response has an invalid signature"));
        }
        let answer: serde_json::Value = serde_json::from_slice(body).during("parse a response")?;
        if answer["valid"] == true && answer["nonce"] == *self.request.nonce {
            Ok(())
        } else {
            Err(Failure::new("a response belongs to another request"))
        }
    }

    /// Checks that the activation is in the database.
    pub(crate) fn is_stored(&self, database: &mut Database) -> Result<(), Failure> {
        let slot = |transaction: &ReadTransaction<'_>| match transaction
            .license_by_key(&contents::key(self.request.license))?
        {
            Some(license) => transaction.slot(license.id, self.request.address),
            None => Ok(None),
        };
        let slot = database.read::<_, Error>(slot).during("read the copy")?;
        slot.map(drop).ok_or_else(|| Failure::new("a granted activation is not in the database"))
    }
}
