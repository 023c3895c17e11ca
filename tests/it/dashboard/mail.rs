//! Mail with a link: what sends it can hang or fail, and holds up no one.

use super::visitor::{Visitor, encode};
use super::*;
use crate::support::http::Connection;
use crate::support::tcp_server::TcpServer;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// How long a link can take while the programs before it hang.
const AFTER_OTHERS: Duration = Duration::from_secs(90);

/// A program in the place of sendmail that does what `script` says.
pub(super) fn sendmail(directory: &Path, script: &str) -> String {
    let path = directory.join("sendmail");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

/// Submits the form of a new user with an e-mail address, and does not wait for the answer.
fn begin_invitation(server: &LicenseServerProcess, administrator: &Visitor<'_>, name: &str) -> Connection {
    let cookies: Vec<String> = administrator.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mail = encode(&format!("{name}@example.com"));
    let request = Request::new("POST", "/users/new")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("Cookie", &cookies.join("; "))
        .body(format!("user={name}&mail={mail}&role=owner&csrf={}", administrator.csrf));
    let mut connection = Connection::open(server.port()).unwrap();
    connection.send(Vec::from(request)).unwrap();
    connection
}

fn is_alive(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}

#[test]
fn mail_programs_that_hang_hold_up_neither_verifications_nor_other_changes() {
    let mut server = server();
    let started = server.directory().join("started");
    let program = sendmail(server.directory(), &format!("echo $$ >> {}; sleep 600", started.display()));
    server.rewrite_config(&[("public_url", "https://licenses.example.com"), ("mail", &program)]);
    server.reload();
    let license = server.database.license("business");
    let mut administrator = Visitor::signed_in(&server, ADMINISTRATOR);
    administrator.get("/users/new");
    let invitations: Vec<Connection> =
        ["erin", "frank", "grace", "heidi"].map(|name| begin_invitation(&server, &administrator, name)).into();
    let pids = || fs::read_to_string(&started).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(eventually(SOON, || pids().len() >= 2), "no mail is sent");

    for address in &SERVERS[..3] {
        assert_eq!(check_in(&server, &license, address).status, 200);
    }
    let mut other = Visitor::signed_in(&server, OTHER_ADMINISTRATOR);
    other.get(&format!("/licenses/{}/suspend", license.id));
    assert_eq!(
        other.post(&format!("/licenses/{}/suspend", license.id), &[("reason", "late"), ("revision", "1")]).status,
        303
    );
    assert!(pids().iter().filter(|pid| is_alive(pid)).count() <= 2, "too many programs at a time");

    for mut invitation in invitations {
        let answer = invitation.receive(AFTER_OTHERS).unwrap();
        let text = answer.text();
        assert_eq!(answer.status, 200, "{text}");
        assert!(text.contains("https://licenses.example.com/set-password?token="), "{text}");
        assert!(text.contains("was not sent") && text.contains("did not end within 10 seconds"), "{text}");
    }
    assert_eq!(pids().len(), 4);
    assert!(eventually(SOON, || !pids().iter().any(|pid| is_alive(pid))), "a program is left");
}

/// A mail server that answers each command, and passes on what it was told.
fn mail_server(answer: fn(&str) -> &'static str) -> (TcpServer, Receiver<String>) {
    let (sender, received) = channel();
    (TcpServer::serving(move |client| receive_mail(client, answer, &sender)), received)
}

fn receive_mail(mut client: TcpStream, answer: fn(&str) -> &'static str, sender: &Sender<String>) {
    let mut told = String::new();
    let mut lines = BufReader::new(client.try_clone().unwrap());
    let _ = client.write_all(answer("").as_bytes());
    loop {
        let mut line = String::new();
        if !lines.read_line(&mut line).is_ok_and(|length| length > 0) {
            let _ = sender.send(told);
            return;
        }
        told.push_str(&line);
        let is_text = told.contains("DATA\r\n") && !told.contains("\r\n.\r\n");
        if !is_text || line == "DATA\r\n" {
            let _ = client.write_all(answer(line.trim_end()).as_bytes());
        }
    }
}

/// The answers of Postfix.
fn as_postfix(command: &str) -> &'static str {
    match command.split([' ', ':']).next().unwrap() {
        "" => "220-host ESMTP\r\n220 Postfix (Debian/GNU)\r\n",
        "EHLO" => "250-host\r\n250-SIZE 10240000\r\n250 SMTPUTF8\r\n",
        "DATA" => "354 End data with <CR><LF>.<CR><LF>\r\n",
        "QUIT" => "221 2.0.0 Bye\r\n",
        _ => "250 2.1.0 Ok\r\n",
    }
}

/// A server where OWNER has an address.
fn server_with_address() -> LicenseServerProcess {
    let server = server();
    assert!(server.run(&["user", "set", OWNER, "--mail", "alice@example.com"]).status.success());
    server
}

/// Makes a reset link for OWNER with this mail server; returns the output.
fn reset_by(server: &mut LicenseServerProcess, mail: &str) -> (String, String) {
    let settings =
        [("public_url", "https://licenses.example.com"), ("mail", mail), ("mail_from", "licenses@example.com")];
    server.rewrite_config(&settings);
    let output = server.run(&["user", "reset", OWNER]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_link_is_sent_by_a_mail_server_of_this_machine() {
    let mut server = server_with_address();
    let (receiver, received) = mail_server(as_postfix);
    let (printed, warnings) = reset_by(&mut server, &format!("smtp://127.0.0.1:{}", receiver.port));
    assert!(printed.contains("It was sent to alice@example.com") && warnings.is_empty(), "{printed}{warnings}");
    let told = received.recv_timeout(AFTER_OTHERS).unwrap();
    let (envelope, message) = told.split_once("DATA\r\n").unwrap();
    let commands = ["EHLO [127.0.0.1]", "MAIL FROM:<licenses@example.com>", "RCPT TO:<alice@example.com>", ""];
    assert_eq!(envelope.split("\r\n").collect::<Vec<_>>(), commands);
    let (head, text) = message.split_once("\r\n\r\n").unwrap();
    for header in ["From: licenses@example.com", "To: alice@example.com", "Date: ", "Message-ID: <"] {
        assert!(head.split("\r\n").any(|line| line.starts_with(header)), "{header}: {head}");
    }
    let link = printed.lines().last().unwrap();
    assert!(text.contains(&format!("\r\n{link}\r\n")) && text.ends_with("\r\n.\r\nQUIT\r\n"), "{text}");
    let check = String::from_utf8(server.run(&["check"]).stdout).unwrap();
    assert!(check.contains(&format!("sent by the mail server at 127.0.0.1:{}", receiver.port)), "{check}");
}

#[test]
fn a_mail_server_that_refuses_hangs_or_never_stops_leaves_a_warning_beside_the_link() {
    let mut server = server_with_address();
    let refusing = |command: &str| match command {
        "RCPT TO:<alice@example.com>" => "550-5.1.1 <alice@example.com>\r\n550 5.1.1 \u{1b}[31munknown user\r\n",
        command => as_postfix(command),
    };
    let (refuser, _) = mail_server(refusing);
    let (hanger, _) = mail_server(|command| if command == "DATA" { "" } else { as_postfix(command) });
    let talker = TcpServer::serving(|mut client| while client.write_all(b"220-hello\r\n220-hello\r\n").is_ok() {});
    let dripper = TcpServer::serving(|mut client| {
        // A byte at a time, until the client has left.
        client.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        while client.write_all(b"2").is_ok() {
            if client.read(&mut [0]).is_ok() {
                return;
            }
        }
    });
    let closed = TcpServer::serving(drop);
    let port = closed.port;
    for (port, expected) in [
        (refuser.port, "“550 5.1.1 "),
        (hanger.port, "did not take the mail within 10 seconds"),
        (talker.port, "sends too much"),
        (dripper.port, "did not take the mail within 10 seconds"),
        (port, "closed the connection"),
    ] {
        let (printed, warnings) = reset_by(&mut server, &format!("smtp://127.0.0.1:{port}"));
        assert!(printed.contains("https://licenses.example.com/set-password?token="), "{printed}");
        assert!(
            warnings.contains("The mail to alice@example.com was not sent") && warnings.contains(expected),
            "{warnings}"
        );
        assert!(!warnings.contains('\u{1b}'), "{warnings:?}");
    }
    drop(closed);
    let (_, warnings) = reset_by(&mut server, &format!("smtp://127.0.0.1:{port}"));
    assert!(warnings.contains("was not sent") && warnings.contains("refused"), "{warnings}");
}
