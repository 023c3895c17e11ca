//! The dashboard with the real license server, real Agents and a real browser; raw requests for what no browser would send.
//!
//! The modules cover owners and administrators, forbidden access, sessions, and the layout.

mod administrators;
mod foreign;
mod forged;
mod guessing;
mod hostile_text;
pub(crate) mod layout;
mod lists;
mod mail;
mod overview;
mod owners;
mod refused;
mod restored;
pub mod second_factors;
mod sessions;
mod tokens;
mod users;
pub mod visitor;
mod without_scripts;

use self::visitor::Visitor;
use crate::license::{GRANTED_LINE, assert_active, assert_line, assert_restricted};
use crate::support::agent::Agent;
use crate::support::browser::Browser;
use crate::support::http::{Request, Response};
use crate::support::license_database::{LicenseDatabase, OWNER, TestLicense, operator};
use crate::support::license_server_process::{LicenseServerProcess, SERVERS};
use crate::support::{SOON, eventually};
use opterius_base::secret::Secret;
use opterius_license_server::actions;
use opterius_license_server::passwords;
use serde_json::{Value, json};
use std::sync::OnceLock;

/// The password of all users.
const PASSWORD: &str = "correct horse battery staple";

/// An owner, beside [`OWNER`], and two administrators.
pub const OTHER_OWNER: &str = "bob";
const ADMINISTRATOR: &str = "carol";
const OTHER_ADMINISTRATOR: &str = "dave";

/// A license server with two owners and two administrators.
fn server() -> LicenseServerProcess {
    let server = LicenseServerProcess::start();
    add_users(&server.database);
    server
}

pub fn add_users(database: &LicenseDatabase) {
    static HASH: OnceLock<String> = OnceLock::new();
    let hash = HASH.get_or_init(|| passwords::hash(&Secret::new(PASSWORD.to_owned())).unwrap());
    database.change(|transaction| {
        for (name, administrator) in
            [(OWNER, false), (OTHER_OWNER, false), (ADMINISTRATOR, true), (OTHER_ADMINISTRATOR, true)]
        {
            actions::add_user(transaction, &operator(), name, hash, administrator)?;
        }
        Ok(())
    });
}

/// A real Agent with this address and key.
fn agent(server: &LicenseServerProcess, key: &str, address: &str) -> Agent {
    Agent::builder()
        .set("license_server", &server.url())
        .set("license_key", key)
        .set("license_public_key", &server.public_keys())
        .set("server_ip", address)
        .start()
}

/// Verifies the license from a server at this address.
fn check_in(server: &LicenseServerProcess, license: &TestLicense, address: &str) -> Response {
    server.verify(&json!({"key": license.key, "server_ip": address}))
}

fn open(browser: &Browser, server: &LicenseServerProcess, path: &str) {
    browser.open(&format!("{}{path}", server.url()));
}

/// Path and query of the current page.
fn path(browser: &Browser) -> String {
    let url = browser.url();
    url.splitn(4, '/').nth(3).map_or_else(|| url.clone(), |path| format!("/{path}"))
}

/// Waits until this page is loaded.
fn assert_path(browser: &Browser, wanted: &str) {
    assert!(eventually(SOON, || path(browser) == wanted), "{} instead of {wanted}", browser.url());
}

/// Fills in the sign-in form of the current page and submits it.
fn send_sign_in(browser: &Browser, name: &str, password: &str) {
    type_into(browser, "#name", name);
    type_into(browser, "#password", password);
    click(browser, "#confirm");
}

fn sign_in(browser: &Browser, server: &LicenseServerProcess, name: &str) {
    open(browser, server, "/sign-in");
    send_sign_in(browser, name, PASSWORD);
    assert_path(browser, landing(name));
    open(browser, server, "/licenses");
}

/// The page to which signing in leads this user.
fn landing(name: &str) -> &'static str {
    if [ADMINISTRATOR, OTHER_ADMINISTRATOR].contains(&name) { "/overview" } else { "/licenses" }
}

/// Replaces the value of a field.
fn type_into(browser: &Browser, css: &str, text: &str) {
    let field = browser.find(css);
    field.clear();
    field.type_text(text);
}

fn text_of(browser: &Browser, css: &str) -> String {
    browser.find(css).text()
}

/// The selector of the element with this id, which can contain dots.
fn by_id(id: &str) -> String {
    format!("[id='{id}']")
}

/// Clicks a link or button and waits for the next page. Without scripts, the driver does not wait.
fn click(browser: &Browser, css: &str) {
    let before = browser.find("html");
    browser.find(css).click();
    assert!(eventually(SOON, || before.is_gone()), "{css} did not load another page on {}", browser.url());
}

fn choose(browser: &Browser, css: &str) {
    browser.find(css).click();
}

/// The text of the confirmation page.
fn consequences(browser: &Browser) -> String {
    text_of(browser, "#consequences")
}

/// Asserts the message on the page.
fn assert_flash(browser: &Browser, wanted: &str) {
    assert_eq!(text_of(browser, "#flash"), wanted);
}

/// Asserts that the form is shown again with this error.
fn assert_asked_again(browser: &Browser, wanted: &str) {
    assert_eq!(text_of(browser, "#error"), wanted);
    assert_eq!(browser.status(), 422);
}
