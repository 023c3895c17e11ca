//! A connection of the driver behind a synchronous face: a deadline stands around each wait, and the warnings of the
//! server are kept.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_postgres::error::{DbError, Severity};
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls};

use super::connection_string::ConnectionString;
use super::failure::{Failure, Problem, words};
use super::limits::CANCEL_TIME;
use super::runtime::Runtime;
use super::socket::{self, Stream};
use super::target::Target;
use super::tls;
use crate::cause::cause;
use opterius_base::deadline::Deadline;

/// How long the goodbye of a connection may take.
const CLOSE_TIME: Duration = Duration::from_millis(100);

/// How long a server may take to say that it is alive.
pub(super) const CHECK_TIME: Duration = Duration::from_millis(500);

/// A connection.
pub(super) struct Link {
    // Dropped in this order: the client first, so that the connection can say goodbye.
    client: Option<Client>,
    connection: RefCell<Connection<Box<dyn Stream>, NoTlsStream>>,
    runtime: Runtime,
    /// The warnings of the last exchange.
    warnings: RefCell<Vec<DbError>>,
    is_closed: Cell<bool>,
    /// Whether it is closed because the server did not answer.
    is_silent: Cell<bool>,
    /// After how long without an answer the server is asked whether it is alive.
    check: Option<Duration>,
    // The way to the same server, to cancel what it does not answer.
    string: Arc<ConnectionString>,
    target: Target,
    tls: Option<Arc<ClientConfig>>,
}

/// Why there is no connection.
pub(super) enum NoLink {
    /// There is no way to the server.
    Failure(Failure),
    /// The server, or a pooler in front of it, said no.
    Refusal(Problem),
}

impl Link {
    /// Connects to a server and signs in, by the deadline. `options` are those of a server's command line.
    ///
    /// # Errors
    /// Why there is no connection.
    pub(super) fn connect(
        string: &Arc<ConnectionString>,
        target: &Target,
        options: Option<&str>,
        check: Option<Duration>,
        deadline: Deadline,
    ) -> Result<Self, NoLink> {
        let refused = |cause| NoLink::Failure(Failure::Refused(cause));
        let tls = target
            .has_tls
            .then(|| tls::configuration(string.authorities.as_deref(), string.client.as_ref()))
            .transpose();
        let tls = tls.map_err(refused)?;
        let password = string.password(target).map_err(refused)?;
        let mut config = Config::new();
        config.user(&string.user).dbname(&string.database).application_name(&string.application_name);
        if let Some(password) = &password {
            config.password(password.expose());
        }
        if let Some(options) = options {
            config.options(options);
        }
        let runtime = Runtime::new().map_err(|error| NoLink::Failure(Failure::Unavailable(cause(&error))))?;
        let time = deadline.left();
        let work = async {
            let stream = stream(string, target, tls.clone()).await?;
            config.connect_raw(stream, NoTls).await.map_err(|error| NoLink::Refusal(Problem::Answer(error)))
        };
        let (client, connection) = runtime.wait(time, work).unwrap_or(Err(NoLink::Refusal(Problem::Silence(time))))?;
        Ok(Self {
            client: Some(client),
            connection: RefCell::new(connection),
            runtime,
            warnings: RefCell::default(),
            is_closed: Cell::new(false),
            is_silent: Cell::new(false),
            check,
            string: Arc::clone(string),
            target: target.clone(),
            tls,
        })
    }

    /// Waits for what `work` asks of the client.
    ///
    /// # Errors
    /// What became of it.
    pub(super) fn run<'c, T, F>(&'c self, time: Duration, work: impl FnOnce(&'c Client) -> F) -> Result<T, Problem>
    where
        F: Future<Output = Result<T, tokio_postgres::Error>>,
    {
        let Some(client) = self.client.as_ref().filter(|_| !self.is_closed.get()) else {
            return Err(Problem::Closed("before".to_owned()));
        };
        self.warnings.borrow_mut().clear();
        let mut work = pin!(work(client));
        let step = |context: &mut Context<'_>| {
            // The connection is read before the answer is, so a warning is kept before its statement ends.
            let end = self.poll_connection(context);
            match (work.as_mut().poll(context), end) {
                (Poll::Ready(Err(error)), Some(cause)) if error.is_closed() => Poll::Ready(Err(Problem::Closed(cause))),
                (Poll::Ready(answer), _) => Poll::Ready(answer.map_err(Problem::Answer)),
                (Poll::Pending, Some(cause)) => Poll::Ready(Err(Problem::Closed(cause))),
                (Poll::Pending, None) => Poll::Pending,
            }
        };
        let answer = self.wait(time, poll_fn(step)).unwrap_or_else(|silent| Err(Problem::Silence(silent)));
        if answer.as_ref().is_err_and(Problem::ends_connection) {
            self.is_closed.set(true);
        }
        if matches!(answer, Err(Problem::Silence(_))) {
            self.is_silent.set(true);
            self.cancel(client);
        }
        answer
    }

    /// Waits for this time, or until the server is found to be silent: then returns how long it was.
    fn wait<T>(&self, time: Duration, work: impl Future<Output = T>) -> Result<T, Duration> {
        let Some(check) = self.check.filter(|check| *check < time) else {
            return self.runtime.wait(time, work).ok_or(time);
        };
        let mut work = pin!(work);
        let deadline = Deadline::within(time);
        loop {
            if let Some(answer) = self.runtime.wait(check.min(deadline.left()), work.as_mut()) {
                return Ok(answer);
            }
            if deadline.is_over() || !self.is_alive() {
                return Err(time.saturating_sub(deadline.left()));
            }
        }
    }

    /// Whether the server answers a new connection, which it does with one byte before it asks who connects. Also if there is none.
    fn is_alive(&self) -> bool {
        let answered = self.runtime.wait(CHECK_TIME, async {
            // A refused connection says that there is a kernel; that of the statement will be closed.
            let Ok(mut stream) = socket::open(&self.target, &self.string.keepalive).await else { return };
            if stream.write_all(&tls::REQUEST).await.is_ok() {
                let _ = stream.read_u8().await;
            }
        });
        answered.is_some()
    }

    /// Cancels what the server is still doing for this connection. A commit that waits for a standby does not notice that the
    /// connection is gone: all connections of the server would wait like that before long.
    fn cancel(&self, client: &Client) {
        let token = client.cancel_token();
        // A server that is gone does not get it.
        let _ = self.runtime.wait(CANCEL_TIME, async {
            if let Ok(stream) = stream(&self.string, &self.target, self.tls.clone()).await {
                let _ = token.cancel_query_raw(stream, NoTls).await;
            }
        });
    }

    /// Whether the connection cannot be used any longer.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    /// Whether it is closed because the server did not answer.
    pub(super) fn is_silent(&self) -> bool {
        self.is_silent.get()
    }

    /// The first warning that came with the last answer.
    pub(super) fn warning(&self) -> Option<String> {
        self.warnings.borrow().first().map(|warning| warning.message().to_owned())
    }

    /// Writes what is to be sent and reads what has come; returns why the connection is closed.
    fn poll_connection(&self, context: &mut Context<'_>) -> Option<String> {
        let mut connection = self.connection.borrow_mut();
        if self.is_closed.get() {
            return Some("before".to_owned());
        }
        let end = loop {
            match connection.poll_message(context) {
                Poll::Ready(Some(Ok(AsyncMessage::Notice(notice)))) => {
                    if notice.parsed_severity() == Some(Severity::Warning) {
                        self.warnings.borrow_mut().push(notice);
                    }
                }
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => break Some(words(&error)),
                Poll::Ready(None) => break Some("closed".to_owned()),
                Poll::Pending => break None,
            }
        };
        self.is_closed.set(end.is_some());
        end
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if !self.is_closed.get() {
            self.client = None;
            let goodbye = poll_fn(|context| match self.poll_connection(context) {
                Some(_) => Poll::Ready(()),
                None => Poll::Pending,
            });
            // A server that does not take it finds the connection closed.
            let _ = self.runtime.wait(CLOSE_TIME, goodbye);
        }
    }
}

async fn stream(
    string: &ConnectionString,
    target: &Target,
    tls: Option<Arc<ClientConfig>>,
) -> Result<Box<dyn Stream>, NoLink> {
    let unavailable = |cause| NoLink::Failure(Failure::Unavailable(cause));
    let stream = socket::open(target, &string.keepalive).await.map_err(unavailable)?;
    match tls {
        Some(tls) => tls::secure(stream, &target.host, tls).await.map_err(unavailable),
        None => Ok(stream),
    }
}
