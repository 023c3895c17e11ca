use super::*;

struct Syslog {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Syslog {
    fn at(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("opterius-log-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        Self { socket, path }
    }

    fn next(&self) -> String {
        let mut bytes = [0; 8192];
        let count = self.socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    }
}

impl Drop for Syslog {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn line(priority: u8, text: &str) -> String {
    format!("<{priority}>opterius-agent[{}]: {text}", std::process::id())
}

#[test]
fn a_line_is_priority_identifier_and_message() {
    let syslog = Syslog::at("form");
    let logger = Logger::new("opterius-agent", LogTarget::Syslog, &syslog.path);
    logger.line(Level::Warn, "License: INVALID — License is already activated on 1 of 1 allowed servers.");
    assert_eq!(syslog.next(), line(28, "License: INVALID — License is already activated on 1 of 1 allowed servers."));
    logger.line(Level::Info, "a\nb\u{1b}[2J");
    assert_eq!(syslog.next(), line(30, "a b [2J"));
    logger.line(Level::Error, &"x".repeat(100_000));
    assert_eq!(syslog.next().chars().count(), line(27, "").chars().count() + MAX_LINE);
}

#[test]
fn a_full_syslog_never_blocks_and_every_lost_line_is_counted() {
    let syslog = Syslog::at("full");
    let logger = Logger::new("opterius-agent", LogTarget::Auto, &syslog.path);
    // The test does not read, so the socket's queue fills up; by default, the kernel queues little more than 10 datagrams.
    let total = 5000;
    for number in 0..total {
        logger.line(Level::Info, &format!("line {number}"));
    }
    syslog.socket.set_nonblocking(true).unwrap();
    let mut bytes = [0; 8192];
    let mut passed = 0;
    while syslog.socket.recv(&mut bytes).is_ok() {
        passed += 1;
    }
    syslog.socket.set_nonblocking(false).unwrap();
    assert!(passed < total);
    logger.line(Level::Info, "room again");
    assert_eq!(syslog.next(), line(28, &format!("{} log lines were lost because the log was full", total - passed)));
    assert_eq!(syslog.next(), line(30, "room again"));
}

#[test]
fn the_logger_reconnects_after_syslog_restarts() {
    let syslog = Syslog::at("restart");
    let path = syslog.path.clone();
    let logger = Logger::new("opterius-agent", LogTarget::Syslog, &path);
    logger.line(Level::Info, "before");
    assert_eq!(syslog.next(), line(30, "before"));
    drop(syslog);
    logger.line(Level::Info, "while it is away");
    logger.line(Level::Info, "still away");
    let returned = Syslog::at("restart");
    logger.line(Level::Info, "after");
    assert_eq!(returned.next(), line(28, "2 log lines were lost because the log was full"));
    assert_eq!(returned.next(), line(30, "after"));
}
