//! `POST /files/upload`: writes a file into an account's home while it arrives.
//!
//! The helper opens a file without a name, as the account's user, and passes it to the Agent; the Agent writes what arrives;
//! the helper gives the file its name. Until then there is nothing to see, and an upload that is broken off leaves nothing.
//! No root process waits for a slow client, and no more than one piece of the file is in memory.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use serde_json::Value;

use crate::api::gate;
use crate::api::operations::{answer, error_response, log};
use opterius_base::deadline::Deadline;
use opterius_host::helper::client::{HelperCall, HelperClient};
use opterius_host::helper::protocol::{Allowance, HelperReply, LONGEST};
use opterius_host::problem::Problem;
use opterius_host::request::Request;
use opterius_http::arriving::{ArrivingBody, BodyFault};
use opterius_http::head::Head;
use opterius_http::multipart::{self, Event, Malformed, Multipart, PartHead};
use opterius_http::service::Reaction;

const PATH: &str = "/files/upload";
const FINISH: &str = "/files/upload-finish";

/// The longest time for an upload, as long as the Panel waits.
const LONGEST_UPLOAD: Duration = Duration::from_secs(1800);

/// Size of the pieces, in bytes.
const PIECE: usize = 64 * 1024;

/// Longest value of a text field, in bytes.
const MAX_FIELD: usize = 8192;

/// Whether a request with this head is an upload with a file, whose signature does not cover its body.
pub fn is_upload(head: &Head<'_>) -> bool {
    head.path == PATH && head.method == tiny_http::Method::Post && boundary(head).is_some()
}

fn boundary(head: &Head<'_>) -> Option<String> {
    multipart::boundary(head.only("content-type")?)?.ok()
}

/// Receives the upload, or refuses a call without a file.
pub fn react(head: &Head<'_>, client: HelperClient) -> Reaction {
    let Some(boundary) = boundary(head) else {
        let rule = "must be multipart/form-data with the fields username and path and then the file. The Panel's file manager \
                    first makes this call without a file, and then sends the file without a signature, which the Agent \
                    does not accept: upload by SFTP instead";
        return Reaction::Answer(error_response(Problem::invalid("body", rule)));
    };
    Reaction::Receive(Box::new(move |body| {
        let mut upload = Upload { client, fields: Fields::default(), part: Part::Between, file: None };
        let reply = upload.receive(&boundary, body).unwrap_or_else(Fault::into_reply);
        log(PATH, &gate::subject(&upload.fields.to_json()), &reply);
        answer(reply)
    }))
}

/// Why an upload fails.
enum Fault {
    Problem(Problem),
    /// The helper's reply.
    Reply(HelperReply),
}

impl Fault {
    fn into_reply(self) -> HelperReply {
        match self {
            Self::Problem(problem) => HelperReply::from(Err(problem)),
            Self::Reply(reply) => reply,
        }
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Malformed> for Fault {
    fn from(Malformed(sentence): Malformed) -> Self {
        Problem::invalid("body", format!("is not valid multipart/form-data: {}", sentence.trim_end_matches('.'))).into()
    }
}

impl From<BodyFault> for Fault {
    fn from(fault: BodyFault) -> Self {
        Self::Problem(match fault {
            BodyFault::BrokenOff => Problem::invalid("body", "ended before its Content-Length; nothing was changed"),
            BodyFault::TooSlow => Problem::TimedOut(
                "The upload was too slow: nothing arrived for 30 s, or it took more than 30 minutes. Nothing was changed."
                    .to_owned(),
            ),
        })
    }
}

/// The text fields.
#[derive(Default)]
struct Fields {
    username: Option<String>,
    path: Option<String>,
}

impl Fields {
    fn to_json(&self) -> Value {
        let fields = [("username", &self.username), ("path", &self.path)];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value.as_deref()?)))).collect()
    }
}

/// The part that is arriving.
enum Part {
    Between,
    /// A text field, with its name and value.
    Text(String, Vec<u8>),
    File,
}

/// An upload in progress.
struct Upload {
    client: HelperClient,
    fields: Fields,
    part: Part,
    /// The file, once its part has begun.
    file: Option<OpenFile>,
}

/// A file without a name, and the directory that it is in.
struct OpenFile {
    file: File,
    directory: OwnedFd,
}

impl Upload {
    fn receive(&mut self, boundary: &str, mut body: ArrivingBody) -> Result<HelperReply, Fault> {
        let deadline = Deadline::within(LONGEST_UPLOAD);
        let (mut multipart, mut piece) = (Multipart::new(boundary), vec![0; PIECE]);
        loop {
            let count = body.read(&mut piece, deadline)?;
            if count == 0 {
                break;
            }
            multipart.push(piece.get(..count).unwrap_or_default(), |event| self.on(event))?;
        }
        multipart.finish()?;
        let open = self.file.take().ok_or_else(|| Problem::invalid("file", "is missing"))?;
        open.file.sync_all().map_err(|error| Problem::failed("the file", error))?;
        let passed = [open.file.as_fd(), open.directory.as_fd()];
        let (reply, _) = self.client.exchange(&self.call(FINISH)?, &passed);
        Ok(reply)
    }

    fn on(&mut self, event: Event<'_>) -> Result<(), Fault> {
        match event {
            Event::Begin(PartHead { name, is_file: false }) => self.part = Part::Text(name, Vec::new()),
            Event::Begin(PartHead { name, is_file: true }) if name == "file" && self.file.is_none() => {
                self.file = Some(self.open()?);
                self.part = Part::File;
            }
            Event::Begin(_) => {
                return Err(Problem::invalid("body", "must contain one file, in the field “file”").into());
            }
            Event::Content(bytes) => self.store(bytes)?,
            Event::End => self.end_part()?,
        }
        Ok(())
    }

    fn store(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        match (&mut self.part, &mut self.file) {
            (Part::Text(name, value), _) => {
                value.extend_from_slice(bytes);
                if value.len() > MAX_FIELD {
                    return Err(Problem::invalid(name, format!("must be at most {MAX_FIELD} bytes long")).into());
                }
            }
            (Part::File, Some(open)) => {
                open.file.write_all(bytes).map_err(|error| Problem::failed("the file", error))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn end_part(&mut self) -> Result<(), Fault> {
        if let Part::Text(name, value) = std::mem::replace(&mut self.part, Part::Between) {
            let field = match name.as_str() {
                "username" => &mut self.fields.username,
                "path" => &mut self.fields.path,
                _ => return Ok(()),
            };
            let text = String::from_utf8(value).map_err(|_| Problem::invalid(&name, "must be UTF-8"))?;
            if field.replace(text).is_some() || self.file.is_some() {
                return Err(Problem::invalid(&name, "must be sent once, before the file").into());
            }
        }
        Ok(())
    }

    /// Lets the helper open the file.
    fn open(&self) -> Result<OpenFile, Fault> {
        let (reply, files) = self.client.exchange(&self.call(PATH)?, &[]);
        if reply.status != 200 {
            return Err(Fault::Reply(reply));
        }
        let mut files = files.into_iter();
        match (files.next(), files.next()) {
            (Some(file), Some(directory)) => Ok(OpenFile { file: file.into(), directory }),
            _ => Err(Problem::Failed("The helper did not open the file.".to_owned()).into()),
        }
    }

    fn call(&self, path: &'static str) -> Result<HelperCall, Problem> {
        let request = Request::from_json(path, Some(self.fields.to_json()))?;
        let request = request.to_json().map_err(|error| Problem::failed("the request", error))?;
        Ok(HelperCall { path, request, allowance: Allowance::default(), deadline: Deadline::within(LONGEST) })
    }
}
