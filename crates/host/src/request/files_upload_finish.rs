//! `/files/upload-finish`: gives an uploaded file its name. Only the Agent asks for this.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::files_upload::OpenUpload;
use crate::request::operation::Operation;

/// Gives a file its name. It comes beside the request.
#[derive(Serialize)]
#[serde(transparent)]
pub struct FinishUpload(pub OpenUpload);

impl Operation for FinishUpload {
    const PATHS: &'static [&'static str] = &["/files/upload-finish"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        OpenUpload::parse(fields).map(Self)
    }
}
