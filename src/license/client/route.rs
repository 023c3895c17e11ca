//! The whole way to the license server: the proxy, its name and address, CONNECT, TLS. The daemon and doctor take the same.

use std::fs;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use crate::license::client::connect::{self, Endpoint, Trace};
use crate::license::client::fault::Fault;
use crate::license::client::proxy::{Proxy, ProxyVariables};
use crate::license::client::resolve::{self, EarlyLookups};
use crate::license::client::tls::{self, ClientCertificate};
use crate::license::client::tls_fault::Peer;
use crate::license::client::tunnel;
use crate::license::client::url::ServerUrl;
use opterius_base::deadline::Deadline;
use opterius_base::stream::{Stream, Timed};
use opterius_license::address::{self, Family};

/// An open connection to the license server.
pub struct Opened {
    /// The connection.
    pub stream: Box<dyn Stream>,
    /// Whether the server has asked for a client certificate; `None` over plain HTTP.
    pub client_certificate: Option<Arc<ClientCertificate>>,
}

/// What the way depends on besides its target.
pub struct Means<'a> {
    /// The proxy of agent.conf.
    pub proxy: Option<&'a Proxy>,
    /// The proxies of the environment.
    pub variables: &'a ProxyVariables,
    /// Authorities trusted in addition to Mozilla's.
    pub authorities: &'a [CertificateDer<'static>],
    /// Lookups that have begun.
    pub early: &'a EarlyLookups,
}

/// Opens a connection to `target` by the deadline, which bounds everything on the connection as well.
///
/// # Errors
/// The step that failed.
pub fn open(means: &Means<'_>, target: &ServerUrl, deadline: Deadline, trace: &mut Trace) -> Result<Opened, Fault> {
    let proxy = means.variables.choose(means.proxy, target)?;
    let endpoint = endpoint(proxy.as_ref(), target);
    trace.endpoint = Some(endpoint.clone());
    let tcp = connect::connect(&endpoint, preferred(), means.early, deadline, trace)?;
    let mut stream: Box<dyn Stream> = Box::new(Timed::new(tcp, deadline));
    if let Some(proxy) = &proxy {
        if proxy.is_tls {
            let peer = Peer { host: &proxy.host, port: proxy.port, setting: "proxy" };
            stream = tls::secure(stream, &peer, means.authorities, &Arc::default())?;
        }
        tunnel::open(&mut *stream, proxy, &with_port(target.host(), target.port()))?;
    }
    if target.is_plain() {
        return Ok(Opened { stream, client_certificate: None });
    }
    let wanted = Arc::default();
    let itself = trace.tried.filter(|tried| proxy.is_none() && tried.ip().to_canonical().is_loopback());
    let stream = tls::secure(stream, &Peer::of(target), means.authorities, &wanted).map_err(|fault| {
        match itself.filter(|_| !target.is_loopback()) {
            None => fault,
            // A filter's answer, on a host that has a web server of its own.
            Some(itself) => Fault {
                cause: format!("{}; the name leads to {}, this server itself", fault.cause, itself.ip()),
                remedy: resolve::sinkhole(target.host(), itself.ip()).remedy,
                ..fault
            },
        }
    })?;
    Ok(Opened { stream, client_certificate: Some(wanted) })
}

/// Begins the lookup for a connection to `target`, if it will need one.
pub fn look_up(means: &Means<'_>, target: &ServerUrl) {
    let Ok(proxy) = means.variables.choose(means.proxy, target) else { return };
    let host = endpoint(proxy.as_ref(), target).host;
    if connect::without_lookup(&host).is_none() {
        means.early.start(&host, preferred());
    }
}

fn endpoint(proxy: Option<&Proxy>, target: &ServerUrl) -> Endpoint {
    match proxy {
        Some(proxy) => {
            Endpoint { host: proxy.host.clone(), port: proxy.port, is_proxy: true, setting: proxy.setting() }
        }
        None => {
            let setting = "license_server in agent.conf".to_owned();
            Endpoint { host: target.host().to_owned(), port: target.port(), is_proxy: false, setting }
        }
    }
}

fn preferred() -> Family {
    address::preferred(&fs::read_to_string("/proc/net/route").unwrap_or_default())
}

/// A host and port as in a URL: an IPv6 address gets brackets.
fn with_port(host: &str, port: u16) -> String {
    if host.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()) {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
