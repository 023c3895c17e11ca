//! The HTTP API: route table, authentication, license gate, and the handlers that answer from memory.
//!
//! Every request passes the same checks in the same order: framing (in [`opterius_http`]) → Host and Origin → 404 and 405
//! → signature (401) → license (403) → handler.

pub mod authentication;
pub mod cached_response;
pub mod certificates;
pub mod config;
pub mod download;
pub mod gate;
pub mod health;
pub mod ignored_refusals;
pub mod log_limiter;
pub mod metrics;
pub mod operations;
mod query;
pub mod queue;
pub mod realtime;
pub mod routes;
pub mod sampler;
pub mod stats_cache;
pub mod status;
pub mod unsupported;
pub mod upload;
pub mod used_signatures;
pub mod version;
pub mod view;

use std::str::FromStr;
use std::sync::{Arc, PoisonError};

use log::warn;
use tiny_http::Method;

use crate::api::authentication::{Coverage, Rejection};
use crate::api::config::{ApiConfig, SharedConfig};
use crate::api::gate::LICENSE_REQUIRED;
use crate::api::ignored_refusals::IgnoredRefusals;
use crate::api::log_limiter::LogLimiter;
use crate::api::metrics::{ApiMetrics, MetricsPage};
use crate::api::operations::Operations;
use crate::api::routes::{Access, Class, Lookup, Operation, Route, Verb};
use crate::api::sampler::Metrics;
use crate::api::status::StatusPage;
use crate::api::used_signatures::UsedSignatures;
use crate::api::view::View;
use crate::license::state::License;
use opterius_base::clock::Clock;
use opterius_host::problem::Problem;
use opterius_host::request;
use opterius_host::users::accounts::AccountCount;
use opterius_http::head::Head;
use opterius_http::lane::{Responder, busy};
use opterius_http::limits::SMALL_BODY;
use opterius_http::origin::{self, Refusals};
use opterius_http::response::Response;
use opterius_http::service::{Reaction, Refused, Request, Service};
use opterius_http::traffic::{Traffic, UNKNOWN_ROUTE};

/// The errors for a request with an unknown `Host` or a foreign `Origin`.
const ORIGIN_REFUSALS: Refusals = Refusals {
    unknown_host: "The Agent does not accept this Host header. Use an IP address or localhost, or add the name to \
                   allowed_hosts in agent.conf.",
    forbidden_origin: "The Agent does not accept requests from the pages of other sites.",
};

/// The state that the handlers need; no handler blocks.
pub struct Api {
    config: SharedConfig,
    license: Arc<License>,
    clock: Arc<dyn Clock>,
    health: health::OsInfo,
    operations: Operations,
    metrics: Metrics,
    status: StatusPage,
    view: View,
    metrics_page: MetricsPage,
    api_metrics: Arc<ApiMetrics>,
    accounts: AccountCount,
    refused_signatures: LogLimiter,
    used_signatures: UsedSignatures,
    ignored_refusals: IgnoredRefusals,
}

impl Api {
    /// Combines the parts.
    pub fn new(
        config: SharedConfig,
        license: Arc<License>,
        clock: Arc<dyn Clock>,
        health: health::OsInfo,
        operations: Operations,
        metrics: Metrics,
        api_metrics: Arc<ApiMetrics>,
    ) -> Self {
        let used_signatures = UsedSignatures::since(clock.wall());
        Self {
            config,
            license,
            clock,
            health,
            operations,
            metrics,
            status: StatusPage::default(),
            view: View::default(),
            metrics_page: MetricsPage::default(),
            api_metrics,
            accounts: AccountCount::default(),
            refused_signatures: LogLimiter::new(1),
            used_signatures,
            ignored_refusals: IgnoredRefusals::default(),
        }
    }

    fn config(&self) -> Arc<ApiConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The reaction, or the response to a request that is refused before its handler.
    fn answer(&mut self, request: &Request<'_>, signed: &mut bool) -> Result<Reaction, Response> {
        let config = self.config();
        origin::check(&request.head, &config.allowed_hosts, &ORIGIN_REFUSALS)?;
        let route = route(&request.head)?;
        if route.access == Access::Signed {
            self.authenticate(request, route, &config)?;
            *signed = true;
        }
        if route.class == Class::Write {
            self.check_license(&config)?;
        }
        Ok(self.run(route, request, &config))
    }

    fn authenticate(&mut self, request: &Request<'_>, route: &Route, config: &ApiConfig) -> Result<(), Response> {
        let is_upload = upload::is_upload(&request.head);
        let coverage = if is_upload { Coverage::NoBody } else { Coverage::Body };
        let (now, window) = (self.clock.wall(), config.signature_window);
        let verified = authentication::verify(request, coverage, &config.secret, now, window);
        // These do not cover what the request is about.
        let is_for_once = is_upload || route.operation == Operation::Download;
        let verified = verified.and_then(|signature| match is_for_once {
            true if !self.used_signatures.use_once(signature, now, window) => Err(Rejection::Used),
            _ => Ok(()),
        });
        verified.map_err(|rejection| {
            let is_unsigned_upload = is_upload && rejection == Rejection::Missing;
            let rejection = if is_unsigned_upload { Rejection::UnsignedUpload } else { rejection };
            self.api_metrics.refused(rejection.code());
            if !route.answer_ignored
                && let Some(more) = self.refused_signatures.note(self.clock.monotonic())
            {
                warn!("Request to {} rejected: {}{more}", route.path, rejection.message());
            }
            rejection.answer()
        })
    }

    fn check_license(&mut self, config: &ApiConfig) -> Result<(), Response> {
        let state = self.license.state();
        let now = self.clock.now();
        let standing = state.standing(now);
        gate::check(&standing, || state.message(&standing, now), &config.guide)
            .inspect_err(|_| self.api_metrics.refused(LICENSE_REQUIRED))
    }

    fn run(&mut self, route: &'static Route, request: &Request<'_>, config: &ApiConfig) -> Reaction {
        let body = request.body;
        match route.operation {
            Operation::View => Reaction::Answer(self.view(config)),
            Operation::Status => Reaction::Answer(self.status(config)),
            Operation::Metrics => Reaction::Answer(self.metrics(request.traffic)),
            Operation::Health => Reaction::Answer(self.health.answer(self.clock.boot())),
            Operation::Version => {
                let host = config.host.clone();
                Reaction::Read(Box::new(move || version::answer(host.root())))
            }
            Operation::Snapshots => realtime::snapshots(&self.metrics, self.clock.boot()),
            Operation::ServerStats => realtime::server(&self.metrics, self.clock.boot()),
            Operation::Accounts => operations::accounts(config),
            Operation::QueueCertificate => or_error_response(self.operations.queue(route, body, config)),
            Operation::CertificateStatus => {
                or_error_response(self.operations.certificate(body, config, self.clock.wall()))
            }
            Operation::Upload => {
                let reaction = upload::react(&request.head, self.operations.client(config));
                self.api_metrics.watched(route.path, &self.clock, reaction)
            }
            Operation::Download => {
                let body = query::as_body(request.head.query);
                let reaction = or_error_response(download::react(&body, self.operations.client(config)));
                self.api_metrics.watched(route.path, &self.clock, reaction)
            }
            Operation::Host if !request::is_operation(route.path) => Reaction::Answer(unsupported::answer(route.path)),
            Operation::Host => {
                let terms = self.license.state().terms();
                let now = self.clock.boot();
                let query = (route.verb == Verb::Get).then(|| query::as_body(request.head.query));
                let body = query.as_deref().unwrap_or(body);
                let reaction = or_error_response(self.operations.react(route, body, terms, config, now));
                self.api_metrics.watched(route.path, &self.clock, reaction)
            }
            Operation::Reverify => self.reverify(config),
        }
    }

    fn status(&mut self, config: &ApiConfig) -> Response {
        let now = self.clock.now();
        let accounts = self.accounts.count(config.host.root(), now.boot);
        self.status.answer(&self.license.state(), now, accounts)
    }

    fn view(&mut self, config: &ApiConfig) -> Response {
        let now = self.clock.now();
        let accounts = self.accounts.count(config.host.root(), now.boot);
        self.view.answer(&self.license.state(), now, accounts, &self.health, &config.guide)
    }

    fn metrics(&mut self, traffic: &Traffic) -> Response {
        self.metrics_page.answer(&self.license.state(), self.clock.now(), &self.api_metrics, traffic)
    }

    /// Responds after the check, without blocking a thread. The accounts are counted then, too, because a check can wait for
    /// the one before it.
    fn reverify(&self, config: &ApiConfig) -> Reaction {
        let license = Arc::clone(&self.license);
        let clock = Arc::clone(&self.clock);
        let root = config.host.root().to_path_buf();
        Reaction::Deferred(Box::new(move |responder: Responder| {
            license.reverify(Box::new(move |state| {
                responder.answer(match state {
                    Some(state) => {
                        let accounts = AccountCount::default().count(&root, clock.boot());
                        StatusPage::default().answer(state, clock.now(), accounts)
                    }
                    None => busy(),
                });
            }));
        }))
    }
}

impl Service for Api {
    fn name(&self) -> &'static str {
        "opterius-agent"
    }

    fn body_limit(&self, head: &Head<'_>) -> usize {
        match routes::find(&head.method, head.path) {
            Lookup::Found(route) if route.large_body => self.config().max_body,
            _ => SMALL_BODY,
        }
    }

    fn streams(&self, head: &Head<'_>) -> bool {
        upload::is_upload(head)
    }

    fn route(&self, head: &Head<'_>) -> &'static str {
        match routes::find(&head.method, head.path) {
            Lookup::Found(route) => route.path,
            Lookup::WrongMethod(_) | Lookup::Unknown => UNKNOWN_ROUTE,
        }
    }

    fn refused(&mut self, refused: Refused<'_>) {
        let Refused { method, path, body, accepted, response } = refused;
        if let Some(route) = call(method, path) {
            self.ignored_refusals.note(route, body, accepted, response, self.clock.monotonic());
        }
    }

    fn react(&mut self, request: &Request<'_>) -> Reaction {
        let mut signed = false;
        let reaction = self.answer(request, &mut signed).unwrap_or_else(Reaction::Answer);
        if let Reaction::Answer(response) = &reaction
            && response.status >= 400
            && let Some(route) = call(request.head.method.as_str(), request.head.path)
        {
            self.ignored_refusals.note(route, request.body, signed, response, self.clock.monotonic());
        }
        reaction
    }
}

/// The route that a client wants to call, whatever its method: the Panel only uses POST to change something.
fn call(method: &str, path: &str) -> Option<&'static Route> {
    let method = Method::from_str(method).ok()?;
    [method, Method::Post].iter().find_map(|method| match routes::find(method, path) {
        Lookup::Found(route) => Some(route),
        Lookup::WrongMethod(_) | Lookup::Unknown => None,
    })
}

/// The reaction, or the error response for an invalid request.
fn or_error_response(reaction: Result<Reaction, Problem>) -> Reaction {
    reaction.unwrap_or_else(|problem| Reaction::Answer(operations::error_response(problem)))
}

fn route(head: &Head<'_>) -> Result<&'static Route, Response> {
    match routes::find(&head.method, head.path) {
        Lookup::Found(route) => Ok(route),
        // The Panel signs the decoded path, so the signed text of an encoded one would be ambiguous.
        Lookup::Unknown if head.path.contains('%') => {
            Err(Response::error(400, "bad_request", "A path must not contain a percent sign."))
        }
        Lookup::Unknown => Err(Response::error(404, "not_found", "This path does not exist.")),
        Lookup::WrongMethod(allowed) => {
            let message = format!("This path supports {allowed} only.");
            Err(Response::error(405, "method_not_allowed", &message).with_header("Allow", allowed))
        }
    }
}
