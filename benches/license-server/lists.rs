//! Pages with 1,000,000 licenses, over HTTP: the overview and each filter and each order of the dashboard as an administrator
//! sees them, and each filter of the vendor API with its largest pages.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use opterius_base::clock::{Clock, SystemClock};
use opterius_base::hex::hex;
use opterius_license_server::model::{Actor, Role, Scope};
use opterius_license_server::store::{Error, NewApiToken, NewSession, WriteTransaction};
use ring::digest::{SHA256, digest};

use crate::contents;
use crate::failure::{During, Failure};
use crate::figures::median;
use crate::list_contents::{self, RESELLER, SHARED_ADDRESS, SHARED_HOSTNAME};
use crate::server::Server;
use crate::template::Copy;

/// A page must not take longer than this, in milliseconds.
const MAX_MILLISECONDS: f64 = 20.0;

/// The page of the overview, and the longest time until the server has counted everything for it.
const OVERVIEW: &str = "/overview";
const MAX_COUNTING: Duration = Duration::from_secs(300);

/// Requests of each page.
const REQUESTS: usize = 21;

/// The token of the administrator's session, and the secret of the tokens of the vendor API.
const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The pages of the dashboard: a name, and the query of the list.
const DASHBOARD: &[(&str, &str)] = &[
    ("all, newest", ""),
    ("all, by expiry", "sort=expiry"),
    ("all, by owner", "sort=owner"),
    ("all, by last check", "sort=last-check"),
    ("all, oldest check", "sort=oldest-check"),
    ("active", "standing=active"),
    ("suspended (10 %)", "standing=suspended"),
    ("suspended, by expiry", "standing=suspended&sort=expiry"),
    ("cancelled (0.1 %)", "standing=cancelled"),
    ("expired (20 %)", "standing=expired"),
    ("expired, by expiry", "standing=expired&sort=latest-expiry"),
    ("plan", "plan=starter"),
    ("plan, by expiry", "plan=starter&sort=expiry"),
    ("plan of no license", "plan=empty"),
    ("expiring in 30 days", "expiring=30"),
    ("expiring in 30 days, newest", "expiring=30&sort=newest"),
    ("over limit", "over=1"),
    ("never used", "unused=1"),
    ("trials (5 %)", "trial=1"),
    ("label (1 %)", "label=vip"),
    ("label (100 licenses)", "label=gold"),
    ("six filters", "standing=active&plan=free&trial=1&expiring=30&unused=1&label=vip"),
    ("filters that exclude each other", "plan=starter&over=1&standing=cancelled"),
    ("search: number", "q=123456"),
    ("search: key", "q=KEY"),
    ("search: beginning of a key", "q=abc"),
    ("search: reference", "q=order-777777"),
    ("search: owner", "q=owner-5001"),
    ("search: owners (all)", "q=owner"),
    ("search: address", "q=ADDRESS"),
    ("search: address of 100,000 licenses", "q=SHARED"),
    ("search: host name (all)", "q=server-"),
    ("owner of 100,000 licenses", "q=RESELLER"),
];

/// The pages of `GET /licenses` of the vendor API. Each is requested from the beginning and from a cursor in the middle.
const API: &[(&str, &str)] = &[
    ("all", ""),
    ("reference", "reference=order-777777"),
    ("reference of no license", "reference=none"),
    ("owner (20 licenses)", "owner=owner-5001"),
    ("owner (100,000 licenses)", "owner=RESELLER"),
    ("owner (100,000), cancelled", "owner=RESELLER&standing=cancelled"),
    ("owner (100,000), over limit", "owner=RESELLER&over_limit=true"),
    ("owner (100,000), plan of no license", "owner=RESELLER&plan=empty"),
    ("owner (100,000), expiring", "owner=RESELLER&standing=active&expires_before=SOON"),
    ("plan", "plan=starter"),
    ("plan, cancelled", "plan=starter&standing=cancelled"),
    ("active", "standing=active"),
    ("suspended (10 %)", "standing=suspended"),
    ("cancelled (0.1 %)", "standing=cancelled"),
    ("expired (20 %)", "standing=expired"),
    ("expires before, in 30 days", "expires_before=SOON"),
    ("expires before, long ago", "expires_before=LONG_AGO"),
    ("active, expires before, in 30 days", "standing=active&expires_before=SOON"),
    ("trial, expires before, long ago", "trial=true&expires_before=LONG_AGO"),
    ("server address (1 license)", "server_ip=ADDRESS"),
    ("server address (50 licenses)", "server_ip=198.18.0.1"),
    ("server address (100,000 licenses)", "server_ip=SHARED"),
    ("server address (100,000), cancelled", "server_ip=SHARED&standing=cancelled"),
    ("server address of no license", "server_ip=192.0.2.1"),
    ("host name (1 license)", "hostname=server-4321-0.example.com"),
    ("host name (100,000 licenses)", "hostname=HOSTNAME"),
    ("host name (100,000), suspended", "hostname=HOSTNAME&standing=suspended"),
    ("host name of no license", "hostname=none"),
    ("over limit (100 licenses)", "over_limit=true"),
    ("over limit, suspended", "over_limit=true&standing=suspended"),
    ("trials (5 %)", "trial=true"),
    ("trials, over limit", "trial=true&over_limit=true"),
    ("label (1 %)", "label=vip"),
    ("label (100 licenses)", "label=gold"),
    ("label, plan without any of it", "label=vip&plan=starter"),
    ("address, host name, plan, standing", "server_ip=SHARED&hostname=HOSTNAME&plan=datacenter&standing=active"),
];

/// The cursor in the middle.
const MIDDLE: &str = "cursor=500000";

const DAY: Duration = Duration::from_secs(86_400);

pub(crate) struct ListReport(Vec<Row>);

/// The results of a page.
struct Row {
    name: String,
    licenses: usize,
    /// In milliseconds.
    times: Vec<f64>,
    /// The CPU time of the server for a page, in milliseconds.
    cpu: f64,
}

/// Measures all pages.
pub(crate) fn measure(copy: Copy) -> Result<ListReport, Failure> {
    list_contents::prepare(&copy)?;
    let tokens = add_credentials(&copy)?;
    let server = crate::start(copy)?;
    let header = format!("Cookie: opterius_session={TOKEN}");
    wait_for_figures(&server, &header)?;
    let mut rows = vec![request(&server, "page: overview".to_owned(), OVERVIEW, &header, "<tr")?];
    for (name, query) in DASHBOARD {
        let path = format!("/licenses?{}", filled_in(query));
        rows.push(request(&server, format!("page: {name}"), &path, &header, "<tr id=\"license-")?);
    }
    let positions = [("", ""), (", middle", MIDDLE)];
    let pages = API.iter().flat_map(|page| positions.map(|position| (page, position)));
    for (((name, query), (place, cursor)), token) in pages.zip(tokens) {
        let path = format!("/api/v1/licenses?limit=100&{}&{cursor}", filled_in(query));
        let path = path.replace("&&", "&");
        let path = path.trim_end_matches('&');
        let header = format!("Authorization: Bearer opl_{token}_{TOKEN}");
        rows.push(request(&server, format!("API: {name}{place}"), path, &header, "\"key_masked\":")?);
    }
    Ok(ListReport(rows))
}

/// Waits until the server has counted everything for the overview.
fn wait_for_figures(server: &Server, header: &str) -> Result<(), Failure> {
    let begin = Instant::now();
    while !get(server.port(), OVERVIEW, header).during("request the overview")?.contains("id=\"by-plan\"") {
        if begin.elapsed() > MAX_COUNTING {
            return Err(Failure::new("the server does not count its licenses"));
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    eprintln!("license-server: everything was counted {:.1} s after the start", begin.elapsed().as_secs_f64());
    Ok(())
}

/// Adds an administrator with a session, and as many tokens of the vendor API as pages are requested from it: each token
/// has its own limit.
fn add_credentials(copy: &Copy) -> Result<Vec<i64>, Failure> {
    let add = |transaction: &WriteTransaction<'_>| {
        let user = transaction.insert_user("administrator", "no password", true)?;
        let ends_at = transaction.now().plus(DAY);
        let sha256 = hex(digest(&SHA256, TOKEN.as_bytes()).as_ref());
        transaction.insert_session(&NewSession { token_sha256: &sha256, user, ends_at, address: "", browser: "" })?;
        let creator = Actor { role: Role::Operator, name: "benchmark".to_owned() };
        let token = |number: usize| {
            transaction.insert_api_token(&NewApiToken {
                name: &format!("token-{number}"),
                secret_sha256: &sha256,
                scopes: &[Scope::LicensesRead],
                networks: &[],
                expires_at: None,
                creator: &creator,
            })
        };
        (0..API.len() * 2).map(token).collect::<Result<Vec<i64>, Error>>()
    };
    copy.open()?.change(SystemClock.wall(), add).during("add a session and tokens")
}

/// The query with the values of this database and of today.
fn filled_in(query: &str) -> String {
    let now = SystemClock.wall();
    let key = contents::key(123_456).replace('-', "").to_lowercase();
    query
        .replace("KEY", &key)
        .replace("ADDRESS", &contents::address(4321, 0).to_string())
        .replace("SHARED", &SHARED_ADDRESS.to_string())
        .replace("HOSTNAME", SHARED_HOSTNAME)
        .replace("RESELLER", RESELLER)
        .replace("SOON", &now.plus(DAY * 30).to_string())
        .replace("LONG_AGO", &now.minus(DAY * 3650).to_string())
}

fn request(server: &Server, name: String, path: &str, header: &str, mark: &str) -> Result<Row, Failure> {
    let mut row = Row { name, licenses: 0, times: Vec::new(), cpu: 0.0 };
    let before = server.cpu()?;
    for _ in 0..REQUESTS {
        let begin = Instant::now();
        let page = get(server.port(), path, header).during("request a list")?;
        row.times.push(begin.elapsed().as_secs_f64() * 1000.0);
        if !page.starts_with("HTTP/1.1 200") {
            return Err(Failure::new(format!("{path}: {}", page.lines().next().unwrap_or_default())));
        }
        row.licenses = page.matches(mark).count();
    }
    row.cpu = (server.cpu()? - before).as_secs_f64() * 1000.0 / REQUESTS as f64;
    Ok(row)
}

/// The response to a GET request with this header.
fn get(port: u16, path: &str, header: &str) -> std::io::Result<String> {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_nodelay(true)?;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{header}\r\nConnection: close\r\n\r\n")?;
    let mut response = String::new();
    let mut reader = BufReader::new(socket);
    reader.fill_buf()?;
    reader.read_to_string(&mut response)?;
    Ok(response)
}

impl fmt::Display for ListReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [times, cpu] = ["median ms", "CPU ms"];
        writeln!(f, "{:<50}{:>8}{times:>12}{:>12}{cpu:>12}", "page of 1,000,000 licenses", "rows", "highest ms")?;
        for Row { name, licenses, times, cpu } in &self.0 {
            let highest = times.iter().copied().fold(0.0, f64::max);
            writeln!(f, "{name:<50}{licenses:>8}{:>12.1}{highest:>12.1}{cpu:>12.1}", median(times))?;
        }
        let highest = self.0.iter().map(|row| median(&row.times)).fold(0.0, f64::max);
        let verdict = if highest <= MAX_MILLISECONDS { "reached" } else { "MISSED" };
        writeln!(f, "\nhighest median in ms ≤ {MAX_MILLISECONDS}: {highest:.1}  {verdict}")
    }
}
