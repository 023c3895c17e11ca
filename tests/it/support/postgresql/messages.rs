//! The messages of PostgreSQL's protocol, as far as the proxy must understand them (PostgreSQL's manual, “Message Formats”).

use std::collections::HashMap;

/// The code in place of a version with which a client asks for TLS.
const SSL_REQUEST: u32 = 80_877_103;

/// Cuts a stream of bytes into messages.
pub(super) struct Messages {
    buffer: Vec<u8>,
    /// Whether the next message has no type: the first ones of a client.
    is_starting: bool,
}

/// A message of a client.
pub(super) enum Request {
    /// Asks for TLS; the answer is one byte.
    Tls,
    /// Whatever is answered when the client sends [`Request::Sync`] or is not answered at all.
    Other,
    /// Execution of a prepared statement with this text.
    Execute(String),
    /// Execution of this text, with an answer of its own.
    Query(String),
    /// Asks for the end of the answers.
    Sync,
}

impl Messages {
    pub(super) fn of_client() -> Messages {
        Messages { buffer: Vec::new(), is_starting: true }
    }

    pub(super) fn of_server() -> Messages {
        Messages { buffer: Vec::new(), is_starting: false }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete message.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        let type_length = usize::from(!self.is_starting);
        let length = self.buffer.get(type_length..type_length + 4)?;
        let length = type_length + u32::from_be_bytes(length.try_into().unwrap()) as usize;
        (self.buffer.len() >= length).then(|| self.buffer.drain(..length).collect())
    }
}

/// The prepared statements of a client.
pub(super) struct Statements {
    texts: HashMap<String, String>,
    portals: HashMap<String, String>,
}

impl Statements {
    pub(super) fn new() -> Statements {
        Statements { texts: HashMap::new(), portals: HashMap::new() }
    }

    /// What a message of the client asks for. Ends the start of the conversation in `messages`.
    pub(super) fn read(&mut self, message: &[u8], messages: &mut Messages) -> Request {
        if messages.is_starting {
            let code = message.get(4..8).map(|code| u32::from_be_bytes(code.try_into().unwrap()));
            if code == Some(SSL_REQUEST) {
                return Request::Tls;
            }
            messages.is_starting = false;
            // The server says that it is ready after the start, too.
            return Request::Sync;
        }
        let (kind, body) = (message[0], &message[5..]);
        let mut texts = body.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
        let mut next = || texts.next().unwrap_or_default();
        match kind {
            b'Q' => Request::Query(next()),
            b'S' | b'F' => Request::Sync,
            b'P' => {
                self.texts.insert(next(), next());
                Request::Other
            }
            b'B' => {
                let (portal, statement) = (next(), next());
                let text = self.texts.get(&statement).cloned().unwrap_or_default();
                self.portals.insert(portal, text);
                Request::Other
            }
            b'E' => Request::Execute(self.portals.get(&next()).cloned().unwrap_or_default()),
            _ => Request::Other,
        }
    }
}

/// Whether the server says that it has answered everything.
pub(super) fn is_ready(message: &[u8]) -> bool {
    message.first() == Some(&b'Z')
}
