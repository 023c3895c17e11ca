//! A TCP server with a script for every connection, one after the other.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a script waits for the client.
const PATIENCE: Duration = Duration::from_secs(30);

/// Listens on a free port of 127.0.0.1 until dropped.
pub struct TcpServer {
    pub port: u16,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TcpServer {
    pub fn serving(script: impl Fn(TcpStream) + Send + 'static) -> TcpServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let over = Arc::<AtomicBool>::default();
        let thread = std::thread::spawn({
            let over = Arc::clone(&over);
            move || {
                for client in listener.incoming().flatten() {
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    client.set_read_timeout(Some(PATIENCE)).unwrap();
                    script(client);
                }
            }
        });
        TcpServer { port, over, thread: Some(thread) }
    }
}

impl Drop for TcpServer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Ends the wait for a client.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
