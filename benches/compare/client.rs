//! A simple and fast keep-alive HTTP client, for measurements that wrk cannot do.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// The timeout for a response.
const TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct Connection {
    socket: TcpStream,
    received: Vec<u8>,
}

/// A response, valid until the next exchange.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    /// Total size in bytes, including the head.
    pub(crate) size: usize,
}

impl Connection {
    pub(crate) fn open(port: u16) -> io::Result<Self> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        Ok(Connection { socket, received: Vec::with_capacity(4096) })
    }

    pub(crate) fn exchange(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        self.socket.write_all(request)?;
        self.received.clear();
        let head = loop {
            self.read_more()?;
            if let Some(head) = parse_head(&self.received)? {
                break head;
            }
        };
        let size = head.length + head.body_length;
        while self.received.len() < size {
            self.read_more()?;
        }
        Ok(Answer { status: head.status, body: &self.received[head.length..size], size })
    }

    fn read_more(&mut self) -> io::Result<()> {
        let mut chunk = [0; 4096];
        let count = self.socket.read(&mut chunk)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.received.extend_from_slice(&chunk[..count]);
        Ok(())
    }
}

/// The minimal request that every server gets.
pub(crate) fn get(port: u16, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n").into_bytes()
}

struct Head {
    length: usize,
    status: u16,
    body_length: usize,
}

fn parse_head(received: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(received).map_err(io::Error::other)?;
    let httparse::Status::Complete(length) = parsed else {
        return Ok(None);
    };
    let body_length = response.headers.iter().find(|h| h.name.eq_ignore_ascii_case("Content-Length"));
    let body_length = body_length.and_then(|h| std::str::from_utf8(h.value).ok()?.parse().ok());
    let body_length = body_length.ok_or_else(|| io::Error::other("no Content-Length"))?;
    Ok(Some(Head { length, status: response.code.unwrap_or(0), body_length }))
}
