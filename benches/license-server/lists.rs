//! The overview and the lists of the dashboard with 1,000,000 licenses: each filter and each order, over HTTP, as an administrator sees them.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use opterius_base::clock::{Clock, SystemClock, Timestamp};
use opterius_base::hex::hex;
use opterius_license_server::model::{Details, Status};
use opterius_license_server::store::{Database, Error, Heartbeat, NewSession, WriteTransaction};
use ring::digest::{SHA256, digest};

use crate::contents;
use crate::failure::{During, Failure};
use crate::figures::median;
use crate::server::Server;
use crate::template::Copy;

/// A page must not take longer than this, in milliseconds.
const MAX_MILLISECONDS: f64 = 20.0;

/// The page of the overview, and the longest time until the server has counted everything for it.
const OVERVIEW: &str = "/overview";
const MAX_COUNTING: Duration = Duration::from_secs(300);

/// Requests of each page.
const REQUESTS: usize = 21;

/// Licenses that change in one transaction.
const BATCH: u32 = 50_000;

/// The licenses with very many servers, and how many.
const CROWDED: u32 = 50;
const CROWD: u16 = 330;

/// The token of the administrator's session.
const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// What is requested: the name, and the query of the list.
const PAGES: [(&str, &str); 31] = [
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
    ("search: host name (all)", "q=server-"),
];

pub(crate) struct ListReport(Vec<(&'static str, usize, f64, f64)>);

/// Measures all pages.
pub(crate) fn measure(copy: Copy) -> Result<ListReport, Failure> {
    prepare(&copy)?;
    let server = Server::start(copy)?;
    wait_for_figures(&server)?;
    let mut rows = Vec::new();
    let lists = PAGES.map(|(name, query)| (name, format!("/licenses?{query}")));
    for (name, path) in [("overview", OVERVIEW.to_owned())].into_iter().chain(lists) {
        let key = contents::key(123_456).replace('-', "").to_lowercase();
        let path = path.replace("KEY", &key).replace("ADDRESS", &contents::address(4321, 0).to_string());
        let mut times = Vec::new();
        let mut listed = 0;
        for _ in 0..REQUESTS {
            let begin = Instant::now();
            let page = get(server.port(), &path).during("request a page")?;
            times.push(begin.elapsed().as_secs_f64() * 1000.0);
            if !page.starts_with("HTTP/1.1 200") {
                return Err(Failure::new(format!("{path}: {}", page.lines().next().unwrap_or_default())));
            }
            listed = page.matches("<tr id=\"license-").count();
        }
        rows.push((name, listed, median(&times), times.iter().copied().fold(0.0, f64::max)));
    }
    Ok(ListReport(rows))
}

/// Waits until the server has counted everything for the overview.
fn wait_for_figures(server: &Server) -> Result<(), Failure> {
    let begin = Instant::now();
    while !get(server.port(), OVERVIEW).during("request the overview")?.contains("id=\"by-plan\"") {
        if begin.elapsed() > MAX_COUNTING {
            return Err(Failure::new("the server does not count its licenses"));
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    eprintln!("license-server: everything was counted {:.1} s after the start", begin.elapsed().as_secs_f64());
    Ok(())
}

/// Gives the licenses different standings, labels, references and check-ins.
fn prepare(copy: &Copy) -> Result<(), Failure> {
    let (mut database, now) = (copy.open()?, SystemClock.wall());
    database.change(now, administrator).during("add an administrator")?;
    for first in (1..=copy.licenses).step_by(BATCH as usize) {
        let licenses = first..(first + BATCH).min(copy.licenses + 1);
        database
            .change(now, |transaction| licenses.into_iter().try_for_each(|license| change(transaction, license, now)))
            .during("change the licenses")?;
    }
    crowd(&mut database, now)
}

fn administrator(transaction: &WriteTransaction<'_>) -> Result<(), Error> {
    let user = transaction.insert_user("administrator", "no password", true)?;
    let end = transaction.now().plus(Duration::from_secs(3600));
    let token_sha256 = hex(digest(&SHA256, TOKEN.as_bytes()).as_ref());
    let session = NewSession { token_sha256: &token_sha256, user, ends_at: end, address: "", browser: "" };
    transaction.insert_session(&session)
}

fn change(transaction: &WriteTransaction<'_>, number: u32, now: Timestamp) -> Result<(), Error> {
    let Some(mut license) = transaction.license(i64::from(number))? else { return Ok(()) };
    license.status = match number % 1000 {
        0 => Status::Cancelled,
        1..=100 => Status::Suspended,
        _ => Status::Active,
    };
    let days = Duration::from_secs(u64::from(number % 700) * 86_400);
    license.expires_at = match number % 5 {
        0 => Some(now.minus(days)),
        1 | 2 => Some(now.plus(days)),
        _ => None,
    };
    license.is_trial = number % 20 == 3;
    license.reference = Some(format!("order-{number}"));
    license.labels = match number {
        1..=100 => vec!["gold".to_owned()],
        number if number % 100 == 7 => vec!["vip".to_owned()],
        _ => Vec::new(),
    };
    // The plan allows fewer servers than are active.
    if number % 10_000 == 2 {
        license.plan = transaction.plans()?.into_iter().find(|plan| plan.slug == "free").unwrap_or(license.plan);
    }
    transaction.update_license(&license)
}

/// Adds very many servers to some licenses without a limit.
fn crowd(database: &mut Database, now: Timestamp) -> Result<(), Failure> {
    for index in 0..CROWDED {
        let number = i64::from(index * 10 + 4);
        let add = |transaction: &WriteTransaction<'_>| {
            for server in 0..CROWD {
                let [high, low] = server.to_be_bytes();
                let ip = [198, 18, high, low].into();
                let details = Details { hostname: Some(format!("crowd-{index}-{server}")), ..Details::default() };
                let heartbeat = Heartbeat { ip, observed_ip: ip, reported_ip: None, details: &details };
                transaction.put_activation(
                    number,
                    10_000_000 + i64::from(index * 1000) + i64::from(server),
                    &heartbeat,
                )?;
            }
            Ok::<_, Error>(())
        };
        database.change(now, add).during("add servers")?;
    }
    Ok(())
}

/// The response to a GET request with the administrator's session.
fn get(port: u16, path: &str) -> std::io::Result<String> {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_nodelay(true)?;
    write!(
        socket,
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/html\r\nCookie: opterius_session={TOKEN}\r\n\
         Connection: close\r\n\r\n"
    )?;
    let mut response = String::new();
    let mut reader = BufReader::new(socket);
    reader.fill_buf()?;
    reader.read_to_string(&mut response)?;
    Ok(response)
}

impl fmt::Display for ListReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<34}{:>8}{:>12}{:>12}", "page of 1,000,000 licenses", "rows", "median ms", "highest ms")?;
        for (name, rows, median, highest) in &self.0 {
            writeln!(f, "{name:<34}{rows:>8}{median:>12.1}{highest:>12.1}")?;
        }
        let highest = self.0.iter().map(|(_, _, median, _)| *median).fold(0.0, f64::max);
        let verdict = if highest <= MAX_MILLISECONDS { "reached" } else { "MISSED" };
        writeln!(f, "\nhighest median in ms ≤ {MAX_MILLISECONDS}: {highest:.1}  {verdict}")
    }
}
