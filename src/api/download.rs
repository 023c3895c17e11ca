//! `GET /backup/download`: sends a backup, which the helper opens: the Agent itself may not read it.

use std::fs::File;

use crate::api::operations::answer;
use opterius_base::deadline::Deadline;
use opterius_host::helper::client::{HelperCall, HelperClient};
use opterius_host::helper::protocol::{Allowance, HelperReply, LONGEST};
use opterius_host::problem::Problem;
use opterius_host::request::Request;
use opterius_http::response::Response;
use opterius_http::service::Reaction;
use opterius_http::tail::Tail;

const PATH: &str = "/backup/download";

/// Lets the helper open the backup, and sends it.
///
/// # Errors
/// The request is invalid.
pub fn react(body: &[u8], client: HelperClient) -> Result<Reaction, Problem> {
    let request = Request::parse(PATH, body)?;
    let request = request.to_json().map_err(|error| Problem::failed("the request", error))?;
    Ok(Reaction::Read(Box::new(move || {
        let (allowance, deadline) = (Allowance::default(), Deadline::within(LONGEST));
        let (reply, files) = client.exchange(&HelperCall { path: PATH, request, allowance, deadline }, &[]);
        let file = files.into_iter().next().filter(|_| reply.status == 200);
        file.map(File::from).and_then(|file| sent(&reply, file)).unwrap_or_else(|| answer(reply))
    })))
}

/// The file under the name that the helper has checked.
fn sent(reply: &HelperReply, file: File) -> Option<Response> {
    let length = file.metadata().ok()?.len();
    Some(Response::file(reply.body.get("filename")?.as_str()?, Tail::new(file, length)))
}
