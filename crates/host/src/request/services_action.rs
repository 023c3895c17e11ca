//! `/services/action`: starts, stops, restarts or reloads a service.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;

/// Controls a service.
#[derive(Serialize)]
pub struct ServiceAction {
    /// The name of the service.
    pub service: String,
    /// What to do.
    pub action: Action,
}

impl Operation for ServiceAction {
    const PATHS: &'static [&'static str] = &["/services/action"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let actions = [
            ("start", Action::Start),
            ("stop", Action::Stop),
            ("restart", Action::Restart),
            ("reload", Action::Reload),
        ];
        let service = fields.text("service")?;
        let is_name =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_');
        if !(1..=64).contains(&service.len()) || !service.bytes().all(is_name) || service.starts_with('-') {
            return Err(Problem::invalid("service", "must be the name of a service, such as nginx"));
        }
        Ok(Self { service: service.to_owned(), action: fields.one_of("action", &actions)? })
    }
}

/// What to do with a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Start.
    Start,
    /// Stop.
    Stop,
    /// Stop and start.
    Restart,
    /// Reload its configuration.
    Reload,
}

impl Action {
    /// The verb for systemctl.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Reload => "reload",
        }
    }
}
