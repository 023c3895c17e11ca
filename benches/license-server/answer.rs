//! Answers: every one is a 200 that says `"valid":true`; of a sample the signature, the nonce and the stored row are
//! verified.

use httparse::{EMPTY_HEADER, Response, Status};
use opterius_license::signature::{HEADER, TrustedKeys};
use opterius_license_server::store::{Database, Error, ReadTransaction};

use crate::contents;
use crate::failure::{During, Failure};
use crate::load::Asked;

/// An answer that is verified when there is time.
pub(crate) struct Sample {
    pub(crate) asked: Asked,
    pub(crate) received: Vec<u8>,
}

/// Whether all bytes of the answer have come.
pub(crate) fn is_whole(received: &[u8]) -> Result<bool, Failure> {
    let mut headers = [EMPTY_HEADER; 16];
    let mut head = Response::new(&mut headers);
    let Status::Complete(begin) = head.parse(received).during("read the head of an answer")? else { return Ok(false) };
    let length = header(&head, "Content-Length").and_then(|text| text.parse::<usize>().ok());
    let length = length.ok_or_else(|| Failure::new("an answer has no Content-Length"))?;
    Ok(received.len() >= begin + length)
}

/// That a whole answer says yes.
pub(crate) fn check(received: &[u8]) -> Result<(), Failure> {
    let body = received.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(0, |end| end + 4);
    if received.starts_with(b"HTTP/1.1 200 ") && received[body..].starts_with(br#"{"valid":true,"#) {
        Ok(())
    } else {
        Err(Failure::new(format!("a verification was not granted:\n{}", String::from_utf8_lossy(received))))
    }
}

fn header<'a>(head: &Response<'_, 'a>, name: &str) -> Option<&'a str> {
    let header = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(header.value).ok()
}

impl Sample {
    /// That the answer is signed and belongs to the question.
    pub(crate) fn verify(&self, trusted: &TrustedKeys) -> Result<(), Failure> {
        let mut headers = [EMPTY_HEADER; 16];
        let mut head = Response::new(&mut headers);
        let parsed = head.parse(&self.received).during("read the head of an answer")?;
        let begin = if let Status::Complete(begin) = parsed { begin } else { 0 };
        let body = &self.received[begin..];
        let signature = header(&head, HEADER).ok_or_else(|| Failure::new("an answer is not signed"))?;
        if trusted.verify(signature, body).is_none() {
            return Err(Failure::new("an answer has a wrong signature"));
        }
        let answer: serde_json::Value = serde_json::from_slice(body).during("read an answer")?;
        if answer["valid"] == true && answer["nonce"] == *self.asked.nonce {
            Ok(())
        } else {
            Err(Failure::new("an answer belongs to another question"))
        }
    }

    /// That the database holds what the answer promised.
    pub(crate) fn is_stored(&self, database: &mut Database) -> Result<(), Failure> {
        let slot = |reader: &ReadTransaction<'_>| match reader.license_by_key(&contents::key(self.asked.license))? {
            Some(license) => reader.slot(license.id, self.asked.address),
            None => Ok(None),
        };
        let slot = database.read::<_, Error>(slot).during("read the copy")?;
        slot.map(drop).ok_or_else(|| Failure::new("an activation that was answered is not in the database"))
    }
}
