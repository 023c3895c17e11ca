//! The dashboard.

use std::sync::Arc;

use crate::http::response::Response;
use crate::http::service::{Reaction, Request};
use crate::server::shared::Shared;

/// The dashboard.
pub struct Dashboard {
    shared: Arc<Shared>,
}

impl Dashboard {
    /// A dashboard over these.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// What is to be done about a request.
    pub fn react(&self, _request: &Request<'_>) -> Reaction {
        let _ = &self.shared;
        Reaction::Answer(Response::error(404, "not_found", "There is nothing at this path."))
    }
}
