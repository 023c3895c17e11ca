//! Operations on the host: the request is read and refused here, at once; a good one goes to a lane, where the helper does it.

use std::path::PathBuf;
use std::time::Duration;

use log::{info, warn};

use crate::api::Settings;
use crate::api::gate;
use crate::api::routes::{Class, Route};
use crate::http::response::Response;
use crate::http::service::Reaction;
use crate::license::model::Terms;
use crate::operations::account;
use crate::operations::create::Allowance;
use crate::operations::deadline::Deadline;
use crate::operations::entry::{LONGEST, Reply};
use crate::operations::problem::Problem;
use crate::operations::request::Request;
use crate::operations::runner::{Call, Runner};

/// How long a read may take; nobody waits longer for a page.
const READ_TIME: Duration = Duration::from_secs(30);

/// What operations need of the daemon, besides the settings.
pub struct Operations {
    config: PathBuf,
}

impl Operations {
    /// For the daemon that reads this configuration file, and has the helper read it, too.
    pub fn new(config: PathBuf) -> Self {
        Self { config }
    }

    /// What is to be done about a request that is signed and licensed.
    ///
    /// # Errors
    /// The request itself is not right.
    pub fn react(
        &self,
        route: &'static Route,
        body: &[u8],
        terms: Terms,
        settings: &Settings,
    ) -> Result<Reaction, Problem> {
        Request::parse(route.path, body)?;
        let runner = Runner::new(settings.operations, self.config.clone());
        let subject = gate::subject(body);
        let time = if route.class == Class::Write { LONGEST } else { READ_TIME };
        let call = Call {
            path: route.path,
            body: body.to_vec(),
            allowance: allowance(terms),
            deadline: Deadline::within(time),
        };
        let work = Box::new(move || {
            let reply = runner.run(&call);
            if route.class == Class::Write {
                log(route, &subject, &reply);
            }
            Response::json(reply.status, &reply.body)
        });
        Ok(match route.class {
            Class::Read => Reaction::Read(work),
            Class::Write if route.waits_for_others => Reaction::Slow(work),
            Class::Write => Reaction::Write(work),
        })
    }
}

/// All accounts: read by the Agent itself, which needs no rights for it.
pub fn accounts(settings: &Settings) -> Reaction {
    let host = settings.host.clone();
    Reaction::Read(Box::new(move || answer(account::list(&host).into())))
}

/// The answer to a request that was not right.
pub fn refusal(problem: Problem) -> Response {
    answer(Reply::from(Err(problem)))
}

fn answer(reply: Reply) -> Response {
    Response::json(reply.status, &reply.body)
}

/// A limit of 0 allows any number.
fn allowance(terms: Terms) -> Allowance {
    Allowance { max_accounts: terms.max_accounts.filter(|limit| *limit > 0), plan: terms.plan }
}

/// One line for each change of the host: whoever looks for what happened looks here.
fn log(route: &Route, subject: &str, reply: &Reply) {
    let path = route.path;
    match reply.body.get("message").and_then(serde_json::Value::as_str) {
        None => info!("Operation {path} for {subject}: done"),
        Some(message) => warn!("Operation {path} for {subject}: {} — {message}", reply.status),
    }
}
