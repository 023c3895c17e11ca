//! TLS, passwords and PgBouncer, with a server that each test starts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::process::geteuid;

use super::super::super::row::Row;
use super::super::super::value::params;
use super::super::test_cluster::Cluster;
use super::*;

const PATIENT: Limits = Limits {
    connect: Duration::from_secs(30),
    statement: Duration::from_secs(60),
    check: None,
    idle: Duration::from_secs(60),
    keeps_plans: false,
};

fn connect(string: &str) -> PostgresqlConnection {
    Server::parse(string).unwrap().connection(PATIENT)
}

fn text(connection: &PostgresqlConnection, sql: &str) -> Result<String, Failure> {
    connection.query(sql, &[]).map(|rows| Row(&rows[0]).get(0).unwrap())
}

/// Writes a certificate for the names, its key, and its authority.
fn certify(cluster: &Cluster, names: &[&str]) -> String {
    certify_with_client(cluster, names).0
}

/// The same, and one of the same authority for the user `agent`, with its key.
fn certify_with_client(cluster: &Cluster, names: &[&str]) -> (String, [String; 2]) {
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let authority_pem = authority.self_signed(&key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, key);
    let key = rcgen::KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    for (name, content) in [("server.crt", certificate.pem()), ("server.key", key.serialize_pem())] {
        let path = cluster.data().join(name);
        fs::write(&path, content).unwrap();
        cluster.give(&path, 0o600);
    }
    let mut client = rcgen::CertificateParams::default();
    client.distinguished_name.push(rcgen::DnType::CommonName, "agent");
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = client.signed_by(&key, &issuer).unwrap().pem();
    (authority_pem, [certificate, key.serialize_pem()])
}

#[test]
fn a_client_certificate_signs_in() {
    let mut cluster = Cluster::start("");
    cluster.psql("CREATE ROLE agent LOGIN; CREATE ROLE other LOGIN").unwrap();
    let directory = cluster.sockets();
    let file = |name: &str| Path::new(&directory).join(name);
    let (_, [foreign, foreign_key]) = certify_with_client(&cluster, &["elsewhere"]);
    // The files of the server are those of the last.
    let (authority, [certificate, key]) = certify_with_client(&cluster, &["127.0.0.1"]);
    let files = [
        ("ca.pem", &authority),
        ("client.crt", &certificate),
        ("client.key", &key),
        ("foreign.crt", &foreign),
        ("foreign.key", &foreign_key),
    ];
    for (name, content) in files {
        fs::write(file(name), content).unwrap();
        fs::set_permissions(file(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let authorities = cluster.data().join("ca.pem");
    fs::write(&authorities, &authority).unwrap();
    cluster.give(&authorities, 0o600);
    cluster.configure("ssl = on\nssl_ca_file = 'ca.pem'");
    let rules = "local all all trust\nhostssl all all all trust clientcert=verify-full\n";
    fs::write(cluster.data().join("pg_hba.conf"), rules).unwrap();
    cluster.kill();
    cluster.boot();
    let (port, ca) = (cluster.port, file("ca.pem").display().to_string());
    let ask = |user: &str, certificate: &str, key: &str| {
        let files = match certificate {
            "" => String::new(),
            _ => format!("sslcert={} sslkey={}", file(certificate).display(), file(key).display()),
        };
        let string = format!(
            "host=127.0.0.1 port={port} dbname=postgres user={user} sslmode=verify-full sslrootcert={ca} {files}"
        );
        text(&connect(&string), "SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            .map_err(|failure| failure.to_string())
    };
    assert!(ask("agent", "client.crt", "client.key").is_ok_and(|name| name.contains("CN=agent")));
    // The name in the certificate is another role's; without a certificate, or with a wrong file, nothing works.
    for (user, certificate, key, expected) in [
        ("other", "client.crt", "client.key", "28000"),
        ("agent", "", "", "certificate"),
        ("agent", "foreign.crt", "foreign.key", "alert"),
        ("agent", "client.crt", "foreign.key", "do not belong together"),
        ("agent", "client.key", "client.key", "no PEM certificate"),
        ("agent", "client.crt", "client.crt", "no private key"),
        ("agent", "client.crt", "missing.key", "no such file"),
    ] {
        let cause = ask(user, certificate, key).unwrap_err();
        assert!(cause.contains(expected), "{user} {certificate} {key}: {cause}");
    }
    // As libpq: a group can read root's key, and no other.
    let set = |mode| fs::set_permissions(file("client.key"), fs::Permissions::from_mode(mode)).unwrap();
    let is_root = geteuid().is_root();
    for (mode, is_allowed) in [(0o600, true), (0o400, true), (0o640, is_root), (0o660, false), (0o604, false)] {
        set(mode);
        let answer = ask("agent", "client.crt", "client.key");
        assert_eq!(answer.is_ok(), is_allowed, "{mode:o}: {answer:?}");
        assert!(is_allowed || answer.is_err_and(|cause| cause.contains("chmod 0600")), "{mode:o}");
    }
}

#[test]
fn tls_verifies_the_authority_and_the_name() {
    let mut cluster = Cluster::start("");
    let right = Path::new(&cluster.sockets()).join("right.pem");
    let wrong = Path::new(&cluster.sockets()).join("wrong.pem");
    fs::write(&wrong, certify(&cluster, &["localhost"])).unwrap();
    fs::write(&right, certify(&cluster, &["localhost", "127.0.0.1"])).unwrap();
    cluster.configure("ssl = on");
    fs::write(cluster.data().join("pg_hba.conf"), "local all all trust\nhostssl all all all trust\n").unwrap();
    cluster.kill();
    cluster.boot();
    let port = cluster.port;
    let ask = |host: &str, authorities: &Path| {
        let string = format!(
            "{host} port={port} dbname=postgres user=postgres sslmode=verify-full sslrootcert={}",
            authorities.display()
        );
        text(&connect(&string), "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    };
    assert_eq!(ask("host=localhost hostaddr=127.0.0.1", &right), Ok("TLSv1.3".to_owned()));
    assert_eq!(ask("host=127.0.0.1", &right), Ok("TLSv1.3".to_owned()));
    for (host, authorities, expected) in [
        ("host=localhost hostaddr=127.0.0.1", &wrong, "TLS: "),
        ("host=other.example hostaddr=127.0.0.1", &right, "TLS: "),
        ("host=127.0.0.1", &right.with_file_name("missing.pem"), "no such file"),
        ("host=127.0.0.1", &cluster.data().join("server.key"), "no PEM certificate"),
    ] {
        let answer = ask(host, authorities);
        let cause = answer.as_ref().map_err(ToString::to_string).unwrap_err();
        assert!(cause.contains(expected), "{host}: {cause}");
    }
    // Mozilla's authorities do not know it.
    let string = cluster.over_tcp("sslmode=verify-full");
    let cause = text(&connect(&string), "SELECT 'x'").unwrap_err().to_string();
    assert!(cause.contains("certificate"), "{cause}");
    // This server takes no connection without TLS, and a server without TLS gets nothing.
    let cause = text(&connect(&cluster.over_tcp("sslmode=disable")), "SELECT 'x'").unwrap_err().to_string();
    assert!(cause.contains("28000"), "{cause}");
    cluster.configure("ssl = off");
    cluster.kill();
    cluster.boot();
    let cause = ask("host=127.0.0.1", &right).unwrap_err().to_string();
    assert!(cause.contains("offers no TLS"), "{cause}");
}

#[test]
fn the_password_is_in_the_string_or_in_a_file() {
    let mut cluster = Cluster::start("");
    cluster.psql("SET password_encryption = 'scram-sha-256'; CREATE ROLE agent LOGIN PASSWORD 'ge:he\\im 1'").unwrap();
    cluster.psql("SET password_encryption = 'md5'; CREATE ROLE old LOGIN PASSWORD 'geheim2'").unwrap();
    let rules = "local all postgres trust\nhost all agent all scram-sha-256\nhost all old all md5\n";
    fs::write(cluster.data().join("pg_hba.conf"), rules).unwrap();
    cluster.kill();
    cluster.boot();
    let file = Path::new(&cluster.sockets()).join("passwords");
    fs::write(&file, "127.0.0.1:*:postgres:agent:ge\\:he\\\\im 1\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let ask = |user: &str, further: &str| {
        let string = format!("host=127.0.0.1 port={} dbname=postgres user={user} {further}", cluster.port);
        text(&connect(&string), "SELECT current_user").map_err(|failure| failure.to_string())
    };
    let passfile = format!("passfile={}", file.display());
    assert_eq!(ask("agent", "password='ge:he\\\\im 1'"), Ok("agent".to_owned()));
    assert_eq!(ask("agent", &passfile), Ok("agent".to_owned()));
    assert_eq!(ask("old", "password=geheim2"), Ok("old".to_owned()));
    let wrong = ask("agent", "password=geheim3").unwrap_err();
    assert!(wrong.contains("28P01") && !wrong.contains("geheim3"), "{wrong}");
    let missing = ask("old", &passfile).unwrap_err();
    assert!(missing.contains("asks for a password"), "{missing}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let exposed = ask("agent", &passfile).unwrap_err();
    assert!(exposed.contains("chmod 0600"), "{exposed}");
    let uri = format!("postgresql://agent:ge%3Ahe%5Cim%201@127.0.0.1:{}/postgres", cluster.port);
    assert_eq!(text(&connect(&uri), "SELECT current_user"), Ok("agent".to_owned()));
}

/// PgBouncer in front of a server, ended when dropped.
struct Pooler(Child);

impl Pooler {
    fn start(cluster: &Cluster, port: u16, further: &str) -> Self {
        let directory = cluster.sockets();
        let settings = Path::new(&directory).join("pgbouncer.ini");
        let content = format!(
            "[databases]\npostgres = host={directory} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n{further}\n",
            cluster.port
        )
        .replace("postgres = host", "postgres = user=postgres host");
        fs::write(&settings, content).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=QUIT", "pgbouncer", "-q"]);
        let child = command.arg(&settings).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(child.unwrap())
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_pooler_of_transactions_gets_no_named_statements() {
    let cluster = Cluster::start("");
    cluster.psql("CREATE TABLE t (id bigint, name text)").unwrap();
    cluster.psql("ALTER ROLE postgres SET synchronous_commit = off").unwrap();
    for further in ["", "ignore_startup_parameters = options", "default_pool_size = 1"] {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let _pooler = Pooler::start(&cluster, port, further);
        let string = format!("host=127.0.0.1 port={port} dbname=postgres user=postgres");
        cluster.until("the pooler accepts connections", || connect(&string).begin_read().is_ok());
        cluster.psql("TRUNCATE t").unwrap();
        thread::scope(|scope| {
            for program in 0..4_i64 {
                let string = &string;
                scope.spawn(move || {
                    let connection = connect(string);
                    for round in 0..25_i64 {
                        // Each program has other statements with parameters of the same types, in another order.
                        let insert = format!("INSERT INTO t VALUES (?1 + {program}, ?2)");
                        let name = format!("{program}");
                        connection.begin_change().unwrap();
                        connection.execute(&insert, params![round * 10, name]).unwrap();
                        assert_eq!(text(&connection, "SELECT current_setting('lock_timeout')").unwrap(), "20s");
                        assert_eq!(text(&connection, "SELECT current_setting('synchronous_commit')").unwrap(), "on");
                        let isolation = text(&connection, "SELECT current_setting('transaction_isolation')").unwrap();
                        assert_eq!(isolation, "read committed");
                        connection.commit().unwrap();
                        let count = connection.query("SELECT count(*) FROM t WHERE name = ?1", params![name]).unwrap();
                        assert_eq!(Row(&count[0]).get::<i64>(0).unwrap(), round + 1);
                    }
                });
            }
        });
        assert_eq!(cluster.psql("SELECT count(*) FROM t WHERE id % 10 = name::bigint").unwrap(), "100", "{further}");
        let connection = connect(&string);
        connection.begin_change().unwrap();
        assert_eq!(text(&connection, "SELECT count(*)::text FROM pg_prepared_statements").unwrap(), "0");
        connection.rollback();
    }
}
