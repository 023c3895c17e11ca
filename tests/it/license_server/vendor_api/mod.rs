//! The vendor API of the real server, over real sockets.

mod changes;
mod creation;
mod document;
mod guide;
mod killed;
mod outage;
mod safety;
mod scopes;
mod servers;
mod tokens;
mod users;
mod webhooks;

use super::*;
use opterius_license_server::model::Scope;

/// All scopes.
const EVERYTHING: &str = "licenses:read,licenses:write,keys:reveal,users:write,events:read,webhooks:write";

/// A license server with a shop that has a token.
struct Shop {
    server: LicenseServerProcess,
    token: String,
}

impl Shop {
    fn start() -> Shop {
        Shop::with_scopes(EVERYTHING)
    }

    fn with_scopes(scopes: &str) -> Shop {
        Shop::at(LicenseServerProcess::start(), scopes)
    }

    fn at(server: LicenseServerProcess, scopes: &str) -> Shop {
        let token = add_token(&server, "shop", scopes, &[]);
        Shop { server, token }
    }

    /// Sends a call with the token; the body is JSON.
    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Response {
        self.server.fetch(self.request(method, path, body))
    }

    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Request {
        request(&self.token, method, path, body)
    }

    fn get(&self, path: &str) -> Response {
        self.call("GET", path, None)
    }

    fn post(&self, path: &str, body: &Value) -> Response {
        self.call("POST", path, Some(body))
    }

    /// Creates a license of a new owner and returns its JSON.
    fn sell(&self, reference: &str) -> Value {
        let body = json!({"owner": {"name": "carol"}, "plan": "business", "reference": reference});
        let response = self.post("/licenses", &body);
        assert_eq!(response.status, 201, "{}", response.text());
        response.json()
    }
}

pub(super) fn request(token: &str, method: &str, path: &str, body: Option<&Value>) -> Request {
    let request = Request::new(method, &format!("/api/v1{path}")).header("Authorization", &format!("Bearer {token}"));
    match body {
        Some(body) => request.header("Content-Type", "application/json").body(body.to_string()),
        None => request,
    }
}

/// Adds a token with the command line.
pub(super) fn add_token(server: &LicenseServerProcess, name: &str, scopes: &str, more: &[&str]) -> String {
    let words = [&["token", "add", name, "--scopes", scopes, "--json"], more].concat();
    let output = server.run(&words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let view: Value = serde_json::from_slice(&output.stdout).unwrap();
    view["token"].as_str().unwrap().to_owned()
}

/// Asserts an error in the form of the API, and returns it.
pub(super) fn assert_api_error(response: &Response, status: u16, code: &str, field: Option<&str>) -> Value {
    assert_eq!(response.status, status, "{}", response.text());
    let body = response.json();
    let error = &body["error"];
    assert_eq!((&error["code"], &error["field"]), (&json!(code), &json!(field)), "{body}");
    assert!(error["message"].as_str().is_some_and(|message| message.len() > 5), "{body}");
    assert_eq!(error["request_id"].as_str(), response.header("X-Request-Id"), "{body}");
    assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
    error.clone()
}
