//! Two instances of the license server on one database.

use crate::support::engine::DatabasePlace;
use crate::support::http::{self, Request, Response};
use crate::support::license_database::{LicenseDatabase, TestLicense, operator};
use crate::support::license_server_process::{LicenseServerBuilder, LicenseServerProcess, VERIFY};
use crate::support::postgresql::{Cluster, PASSWORD, ROLE};
use opterius_license_server::actions;
use opterius_license_server::model::Scope;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a request may take until it counts as hung.
pub const HUNG: Duration = Duration::from_secs(20);

/// Two instances.
pub struct Instances {
    pub each: [LicenseServerProcess; 2],
    /// A token of the vendor API with all scopes.
    pub token: String,
}

impl Instances {
    /// On a cluster, over its Unix socket.
    pub fn on(cluster: &Cluster) -> Instances {
        Instances::reaching(&cluster.uri(), &cluster.uri())
    }

    /// Makes a database at the first connection string; each instance uses its own to reach it.
    pub fn reaching(first: &str, second: &str) -> Instances {
        Instances::edited(first, second, |builder| builder)
    }

    /// The same with changed configurations.
    pub fn edited(first: &str, second: &str, edit: impl Fn(LicenseServerBuilder) -> LicenseServerBuilder) -> Instances {
        let one = LicenseServerProcess::builder_at(DatabasePlace::named(first));
        let terms = actions::TokenTerms {
            name: "shop".to_owned(),
            scopes: Scope::ALL.to_vec(),
            networks: Vec::new(),
            expires_at: None,
        };
        let (_, token) = one.database.change(|transaction| actions::add_token(transaction, &operator(), &terms));
        let other = LicenseServerProcess::builder_beside(&one.database, DatabasePlace::named(second));
        let start = |builder: LicenseServerBuilder| edit(builder.set("trusted_proxies", "127.0.0.1")).start();
        Instances { each: [start(one), start(other)], token: token.expose().to_owned() }
    }

    pub fn ports(&self) -> [u16; 2] {
        self.each.each_ref().map(LicenseServerProcess::port)
    }

    /// The database, past the instances.
    pub fn database(&self) -> &LicenseDatabase {
        &self.each[0].database
    }

    /// A call of the vendor API, ready to be sent to either.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Request {
        call(&self.token, method, path, body)
    }
}

/// A call of the vendor API.
pub fn call(token: &str, method: &str, path: &str, body: Option<&Value>) -> Request {
    let request = Request::new(method, &format!("/api/v1{path}")).header("Authorization", &format!("Bearer {token}"));
    match body {
        Some(body) => request.header("Content-Type", "application/json").body(body.to_string()),
        None => request,
    }
}

/// The verification of a server, as the proxy in front of an instance forwards it.
pub fn verification(license: &TestLicense, address: &str) -> Request {
    let question = json!({"key": license.key, "server_ip": address});
    Request::post(VERIFY).header("X-Forwarded-For", address).body(question.to_string())
}

/// Sends a request over a new connection and waits for its answer until it counts as hung.
pub fn ask(port: u16, request: &Request) -> std::io::Result<Response> {
    let mut connection = http::Connection::open(port)?;
    connection.send(request.bytes())?;
    connection.receive(HUNG)
}

/// A connection string for these servers over TCP, in this order, of which one takes changes.
pub fn of_servers(ports: &[u16]) -> String {
    let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    format!("postgresql://{ROLE}:{PASSWORD}@{}/{ROLE}?target_session_attrs=read-write", hosts.join(","))
}
