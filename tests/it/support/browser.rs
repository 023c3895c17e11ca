//! A real browser: headless Chromium, controlled over the WebDriver protocol (W3C) by chromedriver.

use super::TempDirectory;
use super::eventually;
use super::process::START;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// The JSON member that identifies a WebDriver element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The maximum number of concurrent browsers: each takes a processor and half a gigabyte while it starts.
const MAX_BROWSERS: usize = 2;

/// A running browser with one window. Dropping it ends the browser and its driver.
pub struct Browser {
    driver: Child,
    http: ureq::Agent,
    /// The URL of the session.
    session: String,
    /// The profile of the browser and its temporary files.
    _directory: TempDirectory,
    /// Released last, after the browser has exited.
    _slots: Arc<Slots>,
}

/// An element of the page on which it was found.
pub struct Element<'b> {
    browser: &'b Browser,
    path: String,
}

/// Attempts to start chromedriver.
const ATTEMPTS: u32 = 10;

/// Starts chromedriver; returns its port. It chooses one that is free on `::1`, and exits if another program has it on 127.0.0.1.
fn start_driver(directory: &Path) -> (Child, u16) {
    let mut exits = Vec::new();
    for _ in 0..ATTEMPTS {
        let mut driver = Command::new("chromedriver")
            .args(["--port=0", "--log-level=SEVERE"])
            .env("HOME", directory)
            .env("TMPDIR", directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("chromedriver: {error}"));
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        let Some(port) = port else {
            exits.push(driver.wait());
            continue;
        };
        // Drain the output, so that the driver never blocks on it.
        std::thread::spawn(move || lines.for_each(drop));
        return (driver, port);
    }
    panic!("chromedriver does not listen: {exits:?}");
}

impl Browser {
    pub fn start() -> Browser {
        Browser::launch(Slots::take(1), &json!({}))
    }

    /// Two separate browsers. Their slots are taken together, so that two tests cannot deadlock.
    pub fn start_two() -> [Browser; 2] {
        let slots = Slots::take(2);
        [(); 2].map(|()| Browser::launch(Arc::clone(&slots), &json!({})))
    }

    /// A browser with scripts disabled.
    pub fn without_scripts() -> Browser {
        Browser::launch(Slots::take(1), &json!({"profile.managed_default_content_settings.javascript": 2}))
    }

    fn launch(slots: Arc<Slots>, preferences: &Value) -> Browser {
        let directory = TempDirectory::new();
        let (driver, port) = start_driver(directory.path());
        let http = ureq::Agent::new_with_config(
            ureq::Agent::config_builder()
                .http_status_as_error(false)
                .proxy(None)
                .timeout_global(Some(Duration::from_secs(60)))
                .build(),
        );
        let base = format!("http://127.0.0.1:{port}/session");
        let mut browser = Browser { driver, http, session: base, _directory: directory, _slots: slots };
        let profile = browser._directory.path().join("profile");
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-dev-shm-usage",
            "--disable-sync",
            "--no-proxy-server",
            &format!("--user-data-dir={}", profile.display()),
        ];
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "acceptInsecureCerts": true,
            "goog:chromeOptions": {"args": arguments, "prefs": preferences},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let id = browser.post("", &capabilities)["sessionId"].as_str().unwrap().to_owned();
        browser.session = format!("{}/{id}", browser.session);
        browser
    }

    /// Opens a page and waits until it is loaded.
    pub fn open(&self, url: &str) {
        self.post("/url", &json!({"url": url}));
    }

    pub fn url(&self) -> String {
        text(&self.get("/url"))
    }

    pub fn title(&self) -> String {
        text(&self.get("/title"))
    }

    /// The current HTML source of the page.
    pub fn source(&self) -> String {
        text(&self.get("/source"))
    }

    /// The first element that matches this CSS selector; waits for it, and panics on timeout.
    pub fn find(&self, css: &str) -> Element<'_> {
        let found = eventually(START, || !self.find_all(css).is_empty());
        assert!(found, "no element {css} on {}: {}", self.url(), self.source());
        self.find_all(css).remove(0)
    }

    /// All elements that currently match this CSS selector.
    pub fn find_all(&self, css: &str) -> Vec<Element<'_>> {
        let found = self.post("/elements", &json!({"using": "css selector", "value": css}));
        let element = |value: &Value| {
            let id = value[ELEMENT].as_str().unwrap();
            Element { browser: self, path: format!("/element/{id}") }
        };
        found.as_array().unwrap().iter().map(element).collect()
    }

    /// Runs the body of a function with these arguments and returns its result.
    pub fn execute(&self, script: &str, arguments: &[Value]) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": arguments}))
    }

    /// Sets the window size in CSS pixels.
    pub fn set_window_size(&self, width: u32, height: u32) {
        self.post("/window/rect", &json!({"width": width, "height": height}));
    }

    /// Sends a command of the DevTools protocol.
    pub fn command(&self, command: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// The console messages since the last call, including policy violations.
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.post("/se/log", &json!({"type": "browser"}));
        entries.as_array().unwrap().iter().map(|entry| text(&entry["message"])).collect()
    }

    /// The HTTP status of the current page.
    pub fn status(&self) -> u64 {
        let script = "return performance.getEntriesByType('navigation')[0].responseStatus";
        self.execute(script, &[]).as_u64().unwrap()
    }

    /// The cookies of the current site, as WebDriver returns them.
    pub fn cookies(&self) -> Vec<Value> {
        self.get("/cookie").as_array().unwrap().clone()
    }

    /// Saves a screenshot of the window as PNG.
    pub fn screenshot(&self, path: &Path) {
        let png = BASE64.decode(text(&self.get("/screenshot"))).unwrap();
        fs::write(path, png).unwrap();
    }

    /// Deletes all cookies of the current site.
    pub fn delete_cookies(&self) {
        self.call("DELETE", "/cookie", None);
    }

    pub fn back(&self) {
        self.post("/back", &json!({}));
    }

    fn get(&self, path: &str) -> Value {
        self.call("GET", path, None)
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.call("POST", path, Some(body))
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.try_call(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    fn try_call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let url = format!("{}{path}", self.session);
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = ureq::http::Request::builder().method(method).uri(&url);
        let request =
            request.header("Content-Type", "application/json").body(body).map_err(|error| error.to_string())?;
        let mut response = self.http.run(request).map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let read = response.body_mut().with_config().limit(64 * 1024 * 1024);
        let text = read.read_to_string().map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        if status == 200 { Ok(answer["value"].take()) } else { Err(format!("{status} {text}")) }
    }
}

impl Element<'_> {
    /// The visible text.
    pub fn text(&self) -> String {
        text(&self.browser.get(&format!("{}/text", self.path)))
    }

    pub fn attribute(&self, name: &str) -> Option<String> {
        let value = self.browser.get(&format!("{}/attribute/{name}", self.path));
        value.as_str().map(str::to_owned)
    }

    /// Whether the page of the element has been replaced.
    pub fn is_gone(&self) -> bool {
        let received = self.browser.try_call("GET", &format!("{}/name", self.path), None);
        received.is_err_and(|error| error.contains("stale element reference") || error.contains("no such element"))
    }

    pub fn is_displayed(&self) -> bool {
        self.browser.get(&format!("{}/displayed", self.path)) == true
    }

    /// Clicks, and waits for a page load that this triggers.
    pub fn click(&self) {
        self.browser.post(&format!("{}/click", self.path), &json!({}));
    }

    /// Types at the end of the current text.
    pub fn type_text(&self, keys: &str) {
        self.browser.post(&format!("{}/value", self.path), &json!({"text": keys}));
    }

    pub fn clear(&self) {
        self.browser.post(&format!("{}/clear", self.path), &json!({}));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let url = self.try_call("GET", "/url", None);
            eprintln!("the browser is at {url:?}: {:?}", self.try_call("GET", "/source", None));
        }
        // The driver closes its browser; killing the group ends what is left.
        let _ = self.try_call("DELETE", "", None);
        let _ = kill_process_group(Pid::from_child(&self.driver), Signal::KILL);
        let _ = self.driver.wait();
    }
}

/// Browser slots that a test has taken.
struct Slots(usize);

static FREE: (Mutex<usize>, Condvar) = (Mutex::new(MAX_BROWSERS), Condvar::new());

impl Slots {
    fn take(count: usize) -> Arc<Slots> {
        let (free, released) = &FREE;
        let free = free.lock().unwrap();
        *released.wait_while(free, |free| *free < count).unwrap() -= count;
        Arc::new(Slots(count))
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        let (free, released) = &FREE;
        *free.lock().unwrap() += self.0;
        released.notify_all();
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}")).to_owned()
}
