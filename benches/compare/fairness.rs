//! Whether any of 64 connections starves while all of them send requests at full speed.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{self, Connection};
use crate::effort::Effort;
use crate::failure::{During, Failure};
use crate::report::{Bound, Row, Target};
use crate::rounds;
use crate::servers::{STATUS_PATH, Server, Trio};

const CONNECTIONS: usize = 64;

pub(crate) fn measure(effort: &Effort, trio: &Trio) -> Result<Vec<Row>, Failure> {
    // Over all rounds: a median would hide a single round in which a connection starved.
    let (mut fewest, mut most) = ([f64::INFINITY; 3], [0.0_f64; 3]);
    for round in 0..effort.rounds {
        for server in rounds::order(round) {
            for answers in answers_of_each(&trio[server], effort.seconds)? {
                fewest[server] = fewest[server].min(answers as f64);
                most[server] = most[server].max(answers as f64);
            }
        }
    }
    let within = format!("answers on one in {} s", effort.seconds);
    Ok(vec![
        Row::of_trio(format!("{CONNECTIONS} connections: fewest {within}"), "", fewest)
            .targets([Target::Agent(Bound::AtLeast(1.0))]),
        Row::of_trio(format!("{CONNECTIONS} connections: most {within}"), "", most),
    ])
}

/// The number of responses that each connection got.
fn answers_of_each(server: &Server, seconds: u32) -> Result<Vec<u64>, Failure> {
    let connections = (0..CONNECTIONS).map(|_| Connection::open(server.port));
    let connections = connections.collect::<io::Result<Vec<_>>>().during("open 64 connections")?;
    let end = Instant::now() + Duration::from_secs(seconds.into());
    thread::scope(|scope| {
        let ask = |connection| scope.spawn(move || ask_until(end, connection, server.port));
        let threads: Vec<_> = connections.into_iter().map(ask).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, u64>| thread.join();
        let answers = threads.into_iter().map(join).collect::<Result<Vec<_>, _>>();
        answers.map_err(|_| Failure::new("a client panicked"))
    })
}

/// Counts responses until `end`, or until the connection fails or times out.
fn ask_until(end: Instant, mut connection: Connection, port: u16) -> u64 {
    let request = client::get(port, STATUS_PATH);
    let mut answers = 0;
    while Instant::now() < end && connection.exchange(&request).is_ok() {
        answers += 1;
    }
    answers
}
