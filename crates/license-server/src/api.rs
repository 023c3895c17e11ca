//! Request routing: verification, health and metrics are handled here, `/api/v1` by the vendor API, all other paths by the
//! dashboard.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use log::warn;
use serde::Serialize;
use tiny_http::Method;

use crate::address::Source;
use crate::config::Config;
use crate::dashboard::Dashboard;
use crate::metrics::Outcome;
use crate::model::License;
use crate::rules::{self, Decision, Inquiry};
use crate::shared::{Shared, source};
use crate::store::{Asked, Error, WriteTransaction};
use crate::throttle::retry_after;
use crate::vendor_api::VendorApi;
use crate::verification::{self, Question};
use crate::verification_limits::Asker;
use opterius_base::clock::Timestamp;
use opterius_base::secret::Secret;
use opterius_base::text::one_line;
use opterius_http::head::Head;
use opterius_http::lane::Responder;
use opterius_http::limits::SMALL_BODY;
use opterius_http::response::Response;
use opterius_http::service::{Reaction, Request, Service};
use opterius_license::license_key::stored_form;

/// The path of license verification.
const VERIFY: &str = "/api/license/verify";

/// The longest part of an unreadable header in a warning, in characters.
const MAX_SHOWN_HEADER: usize = 80;

/// The `Retry-After` of a 503 response while the store fails.
const UNAVAILABLE: Duration = Duration::from_secs(30);

/// The `Retry-After` of a 503 response to an unknown key after a restore.
const UNDECIDED: Duration = Duration::from_secs(3600);

/// The HTTP service of the license server.
pub struct Api {
    shared: Arc<Shared>,
    dashboard: Dashboard,
    vendor_api: VendorApi,
    has_warned_about_proxy: bool,
    has_warned_about_header: bool,
}

/// The result of a verification, from the writer thread.
enum Verdict {
    Unknown,
    /// A backup was restored, and the key may have been issued after it: nothing is decided until this time.
    Undecided(Timestamp),
    Known(Box<(License, Decision)>),
    TooOften(Duration),
}

impl Api {
    /// Creates the service and its dashboard.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            dashboard: Dashboard::new(Arc::clone(&shared)),
            vendor_api: VendorApi::new(Arc::clone(&shared)),
            shared,
            has_warned_about_proxy: false,
            has_warned_about_header: false,
        }
    }

    fn verify(&mut self, request: &Request<'_>) -> Reaction {
        let config = self.shared.config();
        let source = source(request, &config);
        self.warn_about_proxy(request, &config, &source);
        let question = match verification::read(request.body) {
            Ok(question) => question,
            Err(malformed) => {
                self.shared.metrics.verification(Outcome::Malformed);
                let now = self.shared.clock.wall();
                let keys = self.shared.keys();
                let verification::Malformed { code, message, repeated } = malformed;
                return Reaction::Answer(verification::error(400, (code, &message), &repeated, None, now, &keys));
            }
        };
        let inquiry = Inquiry {
            observed_ip: source.ip,
            reported_ip: question.reported_ip,
            ip: source.identity(question.reported_ip),
            details: question.details.clone(),
        };
        let shared = Arc::clone(&self.shared);
        Reaction::Deferred(Box::new(move |responder: Responder| {
            let writer = shared.writer.clone();
            let (state, key) = (Arc::clone(&shared), Secret::new(stored_form(question.key.expose())));
            let asked = Asked { key: key.expose().to_owned(), ip: inquiry.ip, details: inquiry.details.clone() };
            let allowed = OnceCell::new();
            let change = move |transaction: &WriteTransaction<'_>| {
                let verdict = decide(transaction, &state, key.expose(), &inquiry, &allowed)?;
                Ok::<_, Error>((verdict, transaction.now()))
            };
            writer.verify(asked, change, move |result| responder.answer(answer(&shared, &question, result)));
        }))
    }

    /// Behind a proxy that is not in `trusted_proxies`, or whose X-Forwarded-For is not readable, all servers share the
    /// address of the proxy.
    fn warn_about_proxy(&mut self, request: &Request<'_>, config: &Config, source: &Source) {
        if let Some(unreadable) = source.unreadable.as_deref().filter(|_| !self.has_warned_about_header) {
            self.has_warned_about_header = true;
            warn!("{}", unreadable_header(source.ip, unreadable));
        }
        let peer = request.peer;
        let forwards = request.head.all("x-forwarded-for").next().is_some();
        if forwards && !config.is_trusted_proxy(peer) && !self.has_warned_about_proxy {
            self.has_warned_about_proxy = true;
            warn!(
                "{peer} forwards requests, but its X-Forwarded-For is ignored because it is not a trusted proxy. If it is your \
                 reverse proxy, set trusted_proxies={peer} in license-server.conf"
            );
        }
    }

    /// Answered from memory on the front thread, so that a busy dashboard never makes a monitor restart a healthy server.
    fn health(&self) -> Response {
        #[derive(Serialize)]
        struct Health {
            status: &'static str,
            version: &'static str,
            storage: &'static str,
        }
        let failing = self.shared.writer.work().failing.load(Ordering::Relaxed);
        let (code, word) = if failing { (503, "failing") } else { (200, "ok") };
        Response::json(code, &Health { status: word, version: env!("CARGO_PKG_VERSION"), storage: word })
    }
}

/// The warning about a trusted proxy that names no client.
fn unreadable_header(proxy: IpAddr, unreadable: &str) -> String {
    let sent = match one_line(unreadable, MAX_SHOWN_HEADER).as_str() {
        "" => "no client address".to_owned(),
        text => format!("“{text}”, which is no IP address,"),
    };
    format!(
        "The trusted proxy {proxy} sends {sent} in X-Forwarded-For. Its clients all count as {proxy}, whatever address they \
         report: set the proxy up to send the client's address (dist/nginx-license-server.conf is an example)"
    )
}

impl Service for Api {
    fn name(&self) -> &'static str {
        "opterius-license-server"
    }

    fn body_limit(&self, _head: &Head<'_>) -> usize {
        SMALL_BODY
    }

    fn refusal_form(&self, path: &str, response: Response) -> Response {
        if VendorApi::path(path).is_some() { self.vendor_api.refusal(response) } else { response }
    }

    fn react(&mut self, request: &Request<'_>) -> Reaction {
        let wrong_method = |allowed: &'static str, message: &str| {
            Reaction::Answer(Response::error(405, "method_not_allowed", message).with_header("Allow", allowed))
        };
        match (request.head.path, &request.head.method) {
            (VERIFY, Method::Post) => self.verify(request),
            (VERIFY, _) => wrong_method(
                "POST",
                "The license server is reachable. A license is verified with POST and a JSON body: {\"key\": \"…\"}.",
            ),
            ("/health", Method::Get | Method::Head) => Reaction::Answer(self.health()),
            ("/metrics", Method::Get | Method::Head) => {
                Reaction::Answer(self.shared.metrics.answer(self.shared.writer.work()))
            }
            ("/health" | "/metrics", _) => wrong_method("GET, HEAD", "Only GET and HEAD are allowed on this path."),
            (path, _) if VendorApi::path(path).is_some() => self.vendor_api.react(request),
            _ => self.dashboard.react(request),
        }
    }
}

/// `allowed` keeps what the rate limits say: they count a verification once, however often it is decided.
fn decide(
    transaction: &WriteTransaction<'_>,
    shared: &Shared,
    key: &str,
    inquiry: &Inquiry,
    allowed: &OnceCell<Result<(), Duration>>,
) -> Result<Verdict, Error> {
    let now = shared.clock.monotonic();
    let Some(license) = transaction.license_by_key(key)? else {
        let tried = *allowed.get_or_init(|| shared.limits.unknown_key(inquiry.observed_ip, now));
        let until = transaction.unknown_keys_undecided_until()?.filter(|until| *until > transaction.now());
        return Ok(match (tried, until) {
            (Err(wait), _) => Verdict::TooOften(wait),
            (Ok(()), Some(until)) => Verdict::Undecided(until),
            (Ok(()), None) => Verdict::Unknown,
        });
    };
    let record = rules::record(transaction, &license, inquiry)?;
    let is_active = record.own.is_some_and(|own| own.slot.is_active(transaction.now()));
    let asker = Asker { license: license.id, observed: inquiry.observed_ip, ip: inquiry.ip, is_active };
    if let Err(wait) = *allowed.get_or_init(|| shared.limits.known_key(asker, now)) {
        return Ok(Verdict::TooOften(wait));
    }
    let decision = rules::decide(transaction, &license, inquiry, record)?;
    match &decision {
        Decision::Granted => shared.refusal_log.forget(license.id, inquiry.ip),
        Decision::Denied(denial) => {
            shared.refusal_log.record(license.id, inquiry, denial, transaction.now(), now);
        }
    }
    Ok(Verdict::Known(Box::new((license, decision))))
}

fn answer(shared: &Shared, question: &Question, result: Result<(Verdict, Timestamp), Error>) -> Response {
    let keys = shared.keys();
    let at = result.as_ref().map_or_else(|_| shared.clock.wall(), |(_, now)| *now);
    let error =
        |status, error, now| verification::error(status, error, &question.repeated, Some(&question.key), now, &keys);
    let (response, outcome) = match result {
        Ok((Verdict::Unknown, now)) => {
            (verification::answer(question, None, now, &keys), Outcome::Denied(rules::UNKNOWN_KEY.0))
        }
        Ok((Verdict::Known(known), now)) => {
            (verification::answer(question, Some(&known), now, &keys), Outcome::of(&known.1))
        }
        Ok((Verdict::TooOften(wait), now)) => {
            let message = "Too many verifications. Try again after the time in the Retry-After header.";
            let response = error(429, ("rate_limited", message), now);
            (response.with_header("Retry-After", retry_after(wait).to_string()), Outcome::RateLimited)
        }
        Ok((Verdict::Undecided(until), now)) => {
            let message = format!(
                "The license server does not know this license key, but was restored from a backup, and the key may have \
                 been issued after it. It decides nothing about unknown keys until {until}."
            );
            let response = error(503, ("unavailable", &message), now);
            (response.with_header("Retry-After", retry_after(UNDECIDED).to_string()), Outcome::Unavailable)
        }
        Err(failure) => {
            let message = match failure {
                Error::Unknown(_) => {
                    "The connection to the database was lost while this check was stored; try again later."
                }
                _ => "The license server cannot store changes at the moment. Nothing was changed; try again later.",
            };
            let response = error(503, ("unavailable", message), at);
            (response.with_header("Retry-After", retry_after(UNAVAILABLE).to_string()), Outcome::Unavailable)
        }
    };
    shared.metrics.verification(outcome);
    shared.daily_checks.count(outcome, at);
    response
}
