//! Host operations: the front thread parses the request and rejects invalid ones; a lane runs a valid one in the helper.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use log::{info, warn};
use serde_json::{Value, json};

use crate::api::config::{ApiConfig, SharedConfig};
use crate::api::gate;
use crate::api::metrics::ApiMetrics;
use crate::api::queue::{self, Queue};
use crate::api::routes::{Class, Route};
use crate::api::stats_cache::{self, StatsCache};
use opterius_base::clock::{Clock, Timestamp};
use opterius_base::deadline::Deadline;
use opterius_base::text::one_line;
use opterius_host::certbot;
use opterius_host::helper::client::{HelperCall, HelperClient};
use opterius_host::helper::protocol::Allowance;
use opterius_host::helper::protocol::{HelperReply, LONGEST};
use opterius_host::problem::Problem;
use opterius_host::request::Request;
use opterius_host::request::fields::Fields;
use opterius_host::sites::certificate;
use opterius_host::sites::site_record;
use opterius_host::users::account;
use opterius_http::response::Response;
use opterius_http::service::Reaction;
use opterius_license::model::Terms;

/// The time limit of a read: a page in the Panel waits for it.
const READ_TIME: Duration = Duration::from_secs(30);

/// Longest text of an operation's warnings in the log, in characters.
const MAX_WARNINGS: usize = 1000;

/// The state that operations need besides the configuration.
pub struct Operations {
    config_file: PathBuf,
    queue: Queue,
    stats: Arc<Mutex<StatsCache>>,
}

impl Operations {
    /// The helper reads `config_file` itself; certificate requests go to `queue`.
    pub fn new(config_file: PathBuf, queue: Queue) -> Self {
        Self { config_file, queue, stats: Arc::default() }
    }

    /// Queues a certificate request and responds at once.
    ///
    /// # Errors
    /// The request is invalid, or the queue is full.
    pub fn queue(&self, route: &Route, body: &[u8], config: &ApiConfig) -> Result<Reaction, Problem> {
        let request = Request::parse(route.path, body)?;
        if let Request::IssueCertificate(certificate) = &request {
            self.client(config).check()?;
            certbot::check(&config.host)?;
            self.queue.add(certificate.domain.clone(), to_json(&request)?)?;
        }
        Ok(Reaction::Answer(Response::json(202, &json!({"status": "queued"}))))
    }

    /// The status of a certificate. The Agent reads it itself; this needs no privileges.
    ///
    /// # Errors
    /// The request is invalid.
    pub fn certificate(&self, body: &[u8], config: &ApiConfig, now: Timestamp) -> Result<Reaction, Problem> {
        let domain = Fields::parse(body)?.domain("domain")?;
        let (host, queue) = (config.host.clone(), self.queue.clone());
        Ok(Reaction::Read(Box::new(move || match site_record::read(&host, &domain) {
            Ok(record) => Response::json(200, &certificate::status(record.as_ref(), queue.contains(&domain), now)),
            Err(problem) => error_response(problem),
        })))
    }

    /// The client of the helper.
    pub fn client(&self, config: &ApiConfig) -> HelperClient {
        HelperClient::new(config.operations, self.config_file.clone())
    }

    /// Starts the operation of a signed and licensed request, `now` after boot.
    ///
    /// # Errors
    /// The request is invalid.
    pub fn react(
        &self,
        route: &'static Route,
        body: &[u8],
        terms: Terms,
        config: &ApiConfig,
        now: Duration,
    ) -> Result<Reaction, Problem> {
        let request = Request::parse(route.path, body)?;
        let measured = match &request {
            Request::AccountStats(_) => Some(stats_cache::key(body)),
            _ => None,
        };
        if let Some(answer) = measured.and_then(|key| lock(&self.stats).get(&key, now)) {
            return Ok(Reaction::Answer(answer));
        }
        let (client, stats) = (self.client(config), Arc::clone(&self.stats));
        let waits_for_others = request.waits_for_others();
        let time = if route.class == Class::Write { request.longest() } else { READ_TIME };
        let request = to_json(&request)?;
        let subject = gate::subject(&request);
        let call =
            HelperCall { path: route.path, request, allowance: allowance(terms), deadline: Deadline::within(time) };
        let work = Box::new(move || {
            let reply = client.run(&call);
            if route.class == Class::Write {
                log(route.path, &subject, &reply);
            }
            let answer = answer(reply);
            if let Some(key) = measured.filter(|_| answer.status == 200) {
                lock(&stats).put(key, answer.clone(), now);
            }
            answer
        });
        Ok(match route.class {
            Class::Read => Reaction::Read(work),
            Class::Write if waits_for_others => Reaction::LongRunning(work),
            Class::Write => Reaction::Write(work),
        })
    }
}

/// Issues queued certificates, with the configuration in effect at that time.
pub fn issuer(config: SharedConfig, config_file: PathBuf) -> queue::Run {
    Box::new(move |path, request| {
        let mode = config.read().unwrap_or_else(PoisonError::into_inner).operations;
        let (allowance, deadline) = (Allowance::default(), Deadline::within(LONGEST));
        let call = HelperCall { path, request, allowance, deadline };
        HelperClient::new(mode, config_file.clone()).run(&call)
    })
}

/// Counts the host's certificates, with the configuration in effect at that time.
pub fn counter(config: SharedConfig, api_metrics: Arc<ApiMetrics>, clock: Arc<dyn Clock>) -> Box<dyn Fn() + Send> {
    Box::new(move || {
        let host = config.read().unwrap_or_else(PoisonError::into_inner).host.clone();
        api_metrics.certificates.update(&host, clock.wall());
    })
}

/// The list of accounts. The Agent reads it itself; this needs no privileges.
pub fn accounts(config: &ApiConfig) -> Reaction {
    let host = config.host.clone();
    Reaction::Read(Box::new(move || answer(account::list(&host).into())))
}

/// The request as JSON for the helper.
fn to_json(request: &Request) -> Result<Value, Problem> {
    request.to_json().map_err(|error| Problem::failed("the request", error))
}

/// The response to an invalid request.
pub fn error_response(problem: Problem) -> Response {
    answer(HelperReply::from(Err(problem)))
}

/// The response with a reply of the helper.
pub fn answer(reply: HelperReply) -> Response {
    Response::json(reply.status, &reply.body)
}

/// Ignores poisoning: each update is a single call, so a panic leaves the cache consistent.
fn lock(stats: &Mutex<StatsCache>) -> MutexGuard<'_, StatsCache> {
    stats.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A limit of 0 means unlimited.
fn allowance(terms: Terms) -> Allowance {
    Allowance { max_accounts: terms.max_accounts.filter(|limit| *limit > 0), plan: terms.plan }
}

/// Logs one line for each change of the host.
pub fn log(path: &str, subject: &str, reply: &HelperReply) {
    let warnings = reply.body.get("warnings").and_then(Value::as_array).into_iter().flatten();
    let warnings: Vec<&str> = warnings.filter_map(Value::as_str).collect();
    match reply.body.get("message").and_then(Value::as_str) {
        Some(message) => warn!("Operation {path} for {subject}: {} — {message}", reply.status),
        None if warnings.is_empty() => info!("Operation {path} for {subject}: done"),
        // The Panel does not show them.
        None => warn!("Operation {path} for {subject}: done, but {}", one_line(&warnings.join(" "), MAX_WARNINGS)),
    }
}
