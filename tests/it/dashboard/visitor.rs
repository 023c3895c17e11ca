//! An HTTP client without a browser, with cookies and form tokens.

use super::{LicenseServerProcess, PASSWORD, Request, Response, landing};
use crate::support::timed_license_server::TimedLicenseServer;
use std::collections::BTreeMap;

/// A license server, as a process or with a clock that the test sets.
pub trait Server {
    fn fetch(&self, request: Request) -> Response;
}

impl Server for LicenseServerProcess {
    fn fetch(&self, request: Request) -> Response {
        LicenseServerProcess::fetch(self, request)
    }
}

impl Server for TimedLicenseServer {
    fn fetch(&self, request: Request) -> Response {
        TimedLicenseServer::fetch(self, request)
    }
}

/// The client.
pub struct Visitor<'v> {
    server: &'v dyn Server,
    pub cookies: BTreeMap<String, String>,
    /// The CSRF token of the last page.
    pub csrf: String,
    /// Sent with every request.
    pub headers: Vec<(&'static str, String)>,
}

impl<'v> Visitor<'v> {
    pub fn new(server: &'v dyn Server) -> Visitor<'v> {
        Visitor { server, cookies: BTreeMap::new(), csrf: String::new(), headers: Vec::new() }
    }

    pub fn signed_in(server: &'v dyn Server, name: &str) -> Visitor<'v> {
        let mut visitor = Visitor::new(server);
        let response = visitor.sign_in(name, PASSWORD);
        assert_eq!((response.status, response.header("Location")), (303, Some(landing(name))), "{}", response.text());
        assert_eq!(visitor.get("/licenses").status, 200);
        visitor
    }

    /// Submits the sign-in form.
    pub fn sign_in(&mut self, name: &str, password: &str) -> Response {
        self.get("/sign-in");
        self.post("/sign-in", &[("name", name), ("password", password)])
    }

    pub fn get(&mut self, path: &str) -> Response {
        self.send(Request::get(path).header("Accept", "text/html"))
    }

    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Response {
        let pair = |(name, value): &(&str, &str)| format!("{name}={}&", encode(value));
        let body = fields.iter().map(pair).collect::<String>() + "csrf=" + &self.csrf;
        let request = Request::new("POST", path).header("Accept", "text/html");
        self.send(request.header("Content-Type", "application/x-www-form-urlencoded").body(body))
    }

    fn send(&mut self, request: Request) -> Response {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request.header("Cookie", &cookies.join("; "));
        let add = |request: Request, (name, value): &(&'static str, String)| request.header(name, value);
        let response = self.server.fetch(self.headers.iter().fold(request, add));
        for cookie in set_cookies(&response) {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        if let Some((_, rest)) = response.text().split_once("name=\"csrf\" value=\"") {
            self.csrf = rest.split('"').next().unwrap().to_owned();
        }
        response
    }
}

/// The `Set-Cookie` headers of a response.
pub fn set_cookies(response: &Response) -> Vec<&str> {
    let is_cookie = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("Set-Cookie");
    response.headers.iter().filter(is_cookie).map(|(_, value)| value.as_str()).collect()
}

/// Percent-encodes text for a query or a form.
pub fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
