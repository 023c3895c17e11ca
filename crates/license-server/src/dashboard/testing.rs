//! A dashboard for tests, and a simulated browser.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::{Dashboard, form};
use crate::actions::{self, Refusal};
use crate::model::{Actor, Details, Role};
use crate::rules::{self, Inquiry};
use crate::shared::Shared;
use crate::store::readers::Readers;
use crate::store::tests::new_installation;
use crate::store::writer::Writer;
use crate::store::{Error, WriteTransaction};
use crate::{config, passwords};
use opterius_base::clock::{Clock, SystemClock, Timestamp};
use opterius_base::secret::Secret;
use opterius_http::head::{STORAGE, find_end, parse};
use opterius_http::response::Response;
use opterius_http::service::{Reaction, Request};
use opterius_http::traffic::Traffic;

pub(super) const PASSWORD: &str = "correct horse battery";

/// A clock that tests set.
pub(super) struct TestClock {
    start: Instant,
    pub(super) seconds: AtomicU64,
}

impl Clock for TestClock {
    fn wall(&self) -> Timestamp {
        Timestamp::from_unix(1_800_000_000).plus(self.boot())
    }

    fn boot(&self) -> Duration {
        Duration::from_secs(self.seconds.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Instant {
        self.start + self.boot()
    }
}

/// A dashboard with an administrator, two owners, and a license for each owner.
pub(super) struct Site {
    dashboard: Dashboard,
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Arc<TestClock>,
    directory: PathBuf,
    _database: Option<Box<dyn Send + Sync>>,
}

impl Site {
    pub(super) fn new(configuration: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        static HASH: OnceLock<String> = OnceLock::new();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("opterius-dashboard-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        let clock = Arc::new(TestClock { start: SystemClock.monotonic(), seconds: AtomicU64::new(0) });
        let (data_dir, database) = new_installation(&directory);
        let mut installation = data_dir.create(clock.wall()).unwrap();
        let hash = HASH.get_or_init(|| passwords::hash(&Secret::new(PASSWORD.to_owned())).unwrap());
        let actor = Actor { role: Role::Operator, name: "root".to_owned() };
        let result = installation.database.change(clock.wall(), |transaction| {
            actions::add_user(transaction, &actor, "admin", hash, true)?;
            for owner in ["anna", "bert"] {
                actions::add_user(transaction, &actor, owner, hash, false)?;
                let key = actions::new_key()?;
                actions::create(transaction, &actor, owner, "business", None, None, &key)?;
            }
            Ok::<_, Refusal>(())
        });
        result.unwrap();
        let readers = Readers::open(installation.database.location(), 2).unwrap();
        let (writer, writer_thread) = Writer::new(installation.database, clock.clone());
        std::thread::spawn(move || writer_thread.run());
        let config = config::parse(configuration, "license-server.conf").unwrap().config;
        let shared = Shared::new(clock.clone(), writer, readers, &installation.form_secret, config, installation.keys);
        let shared = Arc::new(shared);
        Self { dashboard: Dashboard::new(Arc::clone(&shared)), shared, clock, directory, _database: database }
    }

    pub(super) fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&WriteTransaction<'_>) -> Result<T, Error> + Send + 'static,
    ) -> T {
        self.shared.writer.change(work).unwrap()
    }

    /// A server with this hostname uses license 1.
    pub(super) fn activate(&self, ip: &str, hostname: &str) {
        let ip = ip.parse().unwrap();
        let details = Details { hostname: Some(hostname.to_owned()), ..Details::default() };
        let inquiry = Inquiry { observed_ip: ip, reported_ip: None, ip, details };
        self.change(move |transaction| {
            let license = transaction.license(1)?.unwrap();
            rules::verify(transaction, &license, &inquiry)
        });
    }

    pub(super) fn ask(&self, head: &str, body: &str) -> Response {
        match self.react(head, body) {
            Reaction::Answer(response) => response,
            Reaction::Read(work) | Reaction::Write(work) | Reaction::LongRunning(work) => work(),
            Reaction::Deferred(_) | Reaction::Receive(_) => panic!("the dashboard never defers"),
        }
    }

    /// The reaction to a request.
    pub(super) fn react(&self, head: &str, body: &str) -> Reaction {
        let text = format!("{head}\r\nContent-Length: {}\r\n\r\n", body.len());
        let length = find_end(text.as_bytes(), 0).unwrap().unwrap();
        let mut storage = STORAGE;
        let (head, _) = parse(&text.as_bytes()[..length], &mut storage).unwrap();
        let request =
            Request { head, body: body.as_bytes(), peer: [127, 0, 0, 1].into(), traffic: &Traffic::default() };
        self.dashboard.react(&request)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A browser with cookies and form tokens.
pub(super) struct Browser<'a> {
    site: &'a Site,
    pub(super) cookies: BTreeMap<String, String>,
    pub(super) csrf: String,
    pub(super) headers: &'static str,
}

impl<'a> Browser<'a> {
    pub(super) fn new(site: &'a Site) -> Self {
        Self { site, cookies: BTreeMap::new(), csrf: String::new(), headers: "" }
    }

    pub(super) fn signed_in(site: &'a Site, name: &str) -> Self {
        let mut browser = Self::new(site);
        browser.get("/sign-in");
        let response = browser.post("/sign-in", &[("name", name), ("password", PASSWORD)]);
        assert!(response.status == 303 && header(&response, "Location") != Some("/sign-in"), "{}", response.status);
        browser.get("/licenses");
        browser
    }

    pub(super) fn get(&mut self, path: &str) -> Response {
        self.send(&format!("GET {path}"), "")
    }

    pub(super) fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Response {
        let pair = |(name, value): &(&str, &str)| format!("{name}={}&", form::encode(value));
        let body = fields.iter().map(pair).collect::<String>() + "csrf=" + &self.csrf;
        self.send(&format!("POST {path}"), &body)
    }

    fn send(&mut self, line: &str, body: &str) -> Response {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let head = format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nContent-Type: application/x-www-form-urlencoded\
             \r\nCookie: {}{}",
            cookies.join("; "),
            self.headers
        );
        let response = self.site.ask(&head, body);
        for (_, cookie) in response.headers.iter().filter(|(name, _)| *name == "Set-Cookie") {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        if let Some((_, rest)) = text(&response).split_once("name=\"csrf\" value=\"") {
            self.csrf = rest.split('"').next().unwrap().to_owned();
        }
        response
    }
}

pub(super) fn text(response: &Response) -> String {
    String::from_utf8(response.body.to_vec()).unwrap()
}

pub(super) fn header<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}
