//! Takes the deliveries that are due from the outbox, one per webhook at a time, each on a thread of its own: no receiver
//! waits for another. What came of each is recorded before the next.
//!
//! A process that is killed between an answer and its record sends the event once more, with the same id.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use log::{error, info, warn};
use serde::Serialize;
use serde_json::value::RawValue;

use super::connection::Connector;
use super::exchange::{self, Answer};
use super::schedule;
use super::signature;
use super::target::Target;
use crate::model::{Attempt, Delivery, Webhook};
use crate::store::Error;
use crate::store::duty::Duty;
use crate::store::readers::Readers;
use crate::store::writer::Writer;
use opterius_base::clock::{Clock, Timestamp};
use opterius_base::deadline::Deadline;
use opterius_base::text::one_line;

/// The time for one attempt: name, connection, TLS, request and answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How often the outbox is looked into.
const TICK: Duration = Duration::from_millis(250);

/// How often old events are deleted.
const SWEEP: Duration = Duration::from_secs(600);

/// The longest sentence about an attempt, in characters.
const MAX_SENTENCE: usize = 300;

/// A message to the dispatcher.
pub enum Message {
    /// The delivery to this webhook has ended and is recorded.
    Ended(i64),
    /// Begin no delivery any more, and end once none is under way.
    Stop,
}

/// Delivers events until it is stopped.
pub struct Dispatcher {
    parts: Arc<Parts>,
    messages: Receiver<Message>,
    /// The events under way, by webhook.
    running: HashMap<i64, i64>,
    duty: Duty,
    is_failing: bool,
}

/// What the threads of deliveries share.
struct Parts {
    readers: Readers,
    writer: Writer,
    clock: Arc<dyn Clock>,
    connector: RwLock<Arc<Connector>>,
    messages: Sender<Message>,
}

/// The handle of a dispatcher.
#[derive(Clone)]
pub struct Control(Arc<Parts>);

impl Control {
    /// Ends the dispatcher after the deliveries that are under way.
    pub fn stop(&self) {
        let _ = self.0.messages.send(Message::Stop);
    }

    /// Replaces what opens connections.
    pub fn set_connector(&self, connector: Connector) {
        *self.0.connector.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(connector);
    }
}

impl Dispatcher {
    /// A dispatcher of the outbox of this store.
    pub fn new(readers: Readers, writer: Writer, clock: Arc<dyn Clock>, connector: Connector) -> (Self, Control) {
        let (sender, messages) = unbounded();
        let duty = Duty::delivering(writer.clone());
        let connector = RwLock::new(Arc::new(connector));
        let parts = Arc::new(Parts { readers, writer, clock, connector, messages: sender });
        let control = Control(Arc::clone(&parts));
        (Self { parts, messages, running: HashMap::new(), duty, is_failing: false }, control)
    }

    /// Runs until it is stopped.
    pub fn run(mut self) {
        let (mut is_stopping, mut swept_at) = (false, None);
        while !(is_stopping && self.running.is_empty()) {
            match self.messages.recv_timeout(TICK) {
                Ok(Message::Ended(webhook)) => _ = self.running.remove(&webhook),
                Ok(Message::Stop) => is_stopping = true,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if is_stopping || !self.duty.is_ours() {
                continue;
            }
            let done = self.dispatch();
            self.log_failure(done.err().as_ref());
            let now = self.parts.clock.monotonic();
            if swept_at.is_none_or(|at| now.saturating_duration_since(at) >= SWEEP) {
                swept_at = Some(now);
                self.sweep();
            }
        }
        self.duty.release();
    }

    /// Starts what is due.
    fn dispatch(&mut self) -> Result<(), Error> {
        let (now, running) = (self.parts.clock.wall(), &self.running);
        let due = self.parts.readers.read(|transaction| {
            let idle = transaction.webhooks(now)?.into_iter().filter(|webhook| !running.contains_key(&webhook.id));
            let mut due = Vec::new();
            for webhook in idle.filter(|webhook| webhook.pending > 0) {
                if let Some((delivery, data)) = transaction.due_delivery(webhook.id, now)? {
                    due.push((webhook, delivery, data));
                }
            }
            Ok::<_, Error>(due)
        })?;
        for (webhook, delivery, data) in due {
            let (id, event, parts) = (webhook.id, delivery.event, Arc::clone(&self.parts));
            self.running.insert(id, event);
            let body = move || parts.deliver(&webhook, delivery, &data);
            if let Err(error) = thread::Builder::new().name(format!("webhook-{id}")).spawn(body) {
                self.running.remove(&id);
                return Err(Error::Failed(format!("no thread for a delivery: {error}")));
            }
        }
        Ok(())
    }

    fn sweep(&self) {
        while let Ok(true) = self.parts.writer.change(|transaction| transaction.sweep_outbox()) {}
    }

    /// Logs once when the outbox cannot be read, and once when it can again.
    fn log_failure(&mut self, failure: Option<&Error>) {
        match failure {
            Some(failure) if !self.is_failing => error!("No event can be delivered: {failure}"),
            None if self.is_failing => info!("Events can be delivered again"),
            _ => {}
        }
        self.is_failing = failure.is_some();
    }
}

/// The body of a delivery.
#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    r#type: &'static str,
    created_at: Timestamp,
    data: &'a RawValue,
}

impl Parts {
    /// Makes one attempt and records it.
    fn deliver(&self, webhook: &Webhook, delivery: Delivery, data: &str) {
        let result = self.attempt(webhook, &delivery, data);
        let now = self.clock.wall();
        let attempts = delivery.attempts.saturating_add(1);
        let attempt = concluded(result, attempts, now);
        self.log(webhook, &delivery, &attempt, attempts);
        let (id, event) = (webhook.id, delivery.event);
        let recorded = self.writer.change(move |transaction| transaction.record_attempt(id, event, &attempt));
        if let Err(error) = recorded {
            // It stays pending, so it is sent again. Without this pause, that would be at once.
            warn!("The result of a delivery to webhook {id} cannot be recorded: {error}");
            let (_sender, never) = crossbeam_channel::bounded::<()>(0);
            let _ = never.recv_timeout(TIMEOUT);
        }
        let _ = self.messages.send(Message::Ended(id));
    }

    fn attempt(&self, webhook: &Webhook, delivery: &Delivery, data: &str) -> Result<Answer, String> {
        let deadline = Deadline::within(TIMEOUT);
        let connector = Arc::clone(&self.connector.read().unwrap_or_else(PoisonError::into_inner));
        let target = Target::parse(&webhook.url, connector.receivers())?;
        let broken = |_| "the event cannot be written as JSON".to_owned();
        let data: &RawValue = serde_json::from_str(data).map_err(broken)?;
        let Delivery { name: id, event_type, created_at, .. } = delivery;
        let body = Body { id, r#type: event_type.as_str(), created_at: *created_at, data };
        let body = serde_json::to_vec(&body).map_err(broken)?;
        let headers = [
            ("User-Agent", concat!("opterius-license-server/", env!("CARGO_PKG_VERSION")).to_owned()),
            ("Content-Type", "application/json".to_owned()),
            ("Accept", "*/*".to_owned()),
            ("Opterius-Event-Id", id.clone()),
            ("Opterius-Event-Type", event_type.as_str().to_owned()),
            ("Opterius-Delivery-Attempt", delivery.attempts.saturating_add(1).to_string()),
            (signature::HEADER, signature::header(&webhook.secrets, self.clock.wall(), &body)),
        ];
        let mut stream = connector.open(&target, deadline)?;
        exchange::post(&mut *stream, &target, &headers, &body)
    }

    /// One line when a receiver begins to fail, when it works again, and for each event that is given up.
    fn log(&self, webhook: &Webhook, delivery: &Delivery, attempt: &Attempt, attempts: u32) {
        let (id, name) = (webhook.id, &delivery.name);
        let status = attempt.status.map_or(String::new(), |status| format!("status {status} "));
        let answer = format!("{status}{}", attempt.answer);
        let answer = answer.trim_end();
        match (attempt.is_accepted, attempt.next_at, webhook.failing_since) {
            (true, _, Some(since)) => info!("Webhook {id} works again; it has failed since {since}"),
            (false, None, _) => warn!("Webhook {id}: {name} is given up after {attempts} attempts: {answer}"),
            (false, Some(next), None) => {
                warn!("Webhook {id}: {name} was not accepted: {answer}. The next attempt is at {next}");
            }
            _ => {}
        }
    }
}

/// What an attempt means for its delivery.
fn concluded(result: Result<Answer, String>, attempts: u32, now: Timestamp) -> Attempt {
    let (is_accepted, status, answer) = match result {
        Ok(answer) => (answer.is_accepted(), Some(answer.status), answer.excerpt),
        Err(sentence) => (false, None, sentence),
    };
    let answer = match status {
        Some(300..400) => format!("{answer} (redirects are not followed)").trim_start().to_owned(),
        _ => answer,
    };
    let next_at = schedule::wait(attempts, schedule::chance()).map(|wait| now.plus(wait)).filter(|_| !is_accepted);
    Attempt { is_accepted, status, answer: one_line(&answer, MAX_SENTENCE), next_at }
}
