use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::super::target::Place;
use super::*;

fn account() -> Account {
    Account { name: Some("agent".to_owned()), home: Some(PathBuf::from("/nowhere/home")) }
}

fn parse(text: &str) -> ConnectionString {
    ConnectionString::parse(text, &account()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn password(string: &ConnectionString) -> Option<String> {
    string.password.as_ref().map(|password| password.expose().to_owned())
}

#[test]
fn hosts_ports_database_and_user() {
    let table = [
        ("", "database agent at /run/postgresql:5432 as user agent"),
        ("postgresql://", "database agent at /run/postgresql:5432 as user agent"),
        ("postgres://localhost", "database agent at localhost:5432 as user agent"),
        ("postgresql:///licenses", "database licenses at /run/postgresql:5432 as user agent"),
        ("postgresql://u@h/d", "database d at h:5432 as user u"),
        ("postgresql://u@h:1", "database u at h:1 as user u"),
        ("postgresql://u:p@h1:1,h2:2/d", "database d at h1:1, h2:2 as user u"),
        ("postgresql://u:p@h1,h2:2/d", "database d at h1:5432, h2:2 as user u"),
        ("postgresql://h1,h2/d?port=6", "database d at h1:6, h2:6 as user agent"),
        ("postgresql://h1,h2/d?port=6,7", "database d at h1:6, h2:7 as user agent"),
        ("postgresql://[::1]:6/d", "database d at [::1]:6 as user agent"),
        (
            "postgresql://[2001:db8::1],[2001:db8::2]:3/d",
            "database d at [2001:db8::1]:5432, [2001:db8::2]:3 as user agent",
        ),
        ("postgresql://%2Fvar%2Frun%2Fpostgresql/d", "database d at /var/run/postgresql:5432 as user agent"),
        ("postgresql:///d?host=/tmp/x&port=7", "database d at /tmp/x:7 as user agent"),
        ("postgresql:///d?host=h&user=u&dbname=e", "database e at h:5432 as user u"),
        ("postgresql://h?dbname=d", "database d at h:5432 as user agent"),
        ("postgresql://us%40er:p@h/d%2Fb", "database d/b at h:5432 as user us@er"),
        ("host=h port=1 dbname=d user=u", "database d at h:1 as user u"),
        ("  host = h\tport\n=\n1  ", "database agent at h:1 as user agent"),
        ("host='h' dbname='a b' user='o\\'c'", "database a b at h:5432 as user o'c"),
        ("dbname=a\\ b\\\\c host=h", "database a b\\c at h:5432 as user agent"),
        ("host=a,b,c port=1,,3", "database agent at a:1, b:5432, c:3 as user agent"),
        ("host=a, port=", "database agent at a:5432, /run/postgresql:5432 as user agent"),
        ("host=a host=b", "database agent at b:5432 as user agent"),
        ("host=''", "database agent at /run/postgresql:5432 as user agent"),
        ("hostaddr=10.0.0.1,::1", "database agent at 10.0.0.1:5432, [::1]:5432 as user agent"),
        ("host=db1 hostaddr=10.0.0.1", "database agent at db1:5432 as user agent"),
        ("host=/a,b", "database agent at /a:5432, b:5432 as user agent"),
    ];
    for (text, expected) in table {
        assert_eq!(parse(text).to_string(), expected, "{text}");
        assert_eq!(format!("{:?}", parse(text)), expected, "{text}");
    }
}

#[test]
fn places() {
    let place = |text| parse(text).targets[0].place.clone();
    assert_eq!(place("host=/a"), Place::Directory(PathBuf::from("/a")));
    assert_eq!(place("host=db1"), Place::Name("db1".to_owned()));
    assert_eq!(place("host=10.0.0.1"), Place::Address("10.0.0.1".parse().unwrap()));
    assert_eq!(place("host=db1 hostaddr=fe80::1"), Place::Address("fe80::1".parse().unwrap()));
    assert_eq!(parse("host=db1 hostaddr=10.0.0.1").targets[0].host, "db1", "the certificate is for the name");
}

#[test]
fn passwords() {
    let table = [
        ("postgresql://u:p%40s%3As%2F%25@h/d", Some("p@s:s/%")),
        ("postgresql://u:a:b@h/d", Some("a:b")),
        ("postgresql://u:@h/d", None),
        ("postgresql://u@h/d?password=x%26y", Some("x&y")),
        ("password='a \\'b\\\\ c' host=h", Some("a 'b\\ c")),
        ("password=a\\ b", Some("a b")),
        ("password=é", Some("é")),
        ("password=", None),
        ("host=h", None),
    ];
    for (text, expected) in table {
        assert_eq!(password(&parse(text)).as_deref(), expected, "{text}");
    }
}

#[test]
fn tls_is_on_unless_the_server_is_on_this_machine() {
    let table = [
        ("host=db1", true),
        ("host=10.0.0.1", true),
        ("host=localhost", false),
        ("host=127.0.0.1", false),
        ("host=127.8.8.8", false),
        ("host=::1", false),
        ("host=::ffff:127.0.0.1", false),
        ("host=localhost.example.com", true),
        ("host=localhost hostaddr=10.0.0.1", true),
        ("host=db1 hostaddr=127.0.0.1", false),
        ("host=/run/postgresql", false),
        ("host=/run/postgresql sslmode=verify-full", false),
        ("host=db1 sslmode=disable", false),
        ("host=localhost sslmode=verify-full", true),
        ("postgresql://db1/d?sslmode=verify-full", true),
    ];
    for (text, expected) in table {
        assert_eq!(parse(text).targets[0].has_tls, expected, "{text}");
    }
    let mixed = parse("host=/run/postgresql,db2");
    assert_eq!(mixed.targets.iter().map(|target| target.has_tls).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn other_settings() {
    let string = parse("host=a,b");
    assert_eq!((string.wanted, string.connect_time), (Wanted::ReadWrite, None));
    assert_eq!(string.application_name, "opterius-license-server");
    assert_eq!(parse("host=a").wanted, Wanted::Any);
    assert_eq!(parse("host=a,b target_session_attrs=any").wanted, Wanted::Any);
    assert_eq!(parse("host=a target_session_attrs=primary").wanted, Wanted::Primary);
    assert_eq!(parse("postgresql://h/d?target_session_attrs=read-write").wanted, Wanted::ReadWrite);
    assert_eq!(parse("connect_timeout=7").connect_time, Some(Duration::from_secs(7)));
    assert_eq!(parse("application_name=x").application_name, "x");
    assert_eq!(parse("sslrootcert=/a/ca.pem").authorities, Some(PathBuf::from("/a/ca.pem")));
    assert_eq!(parse("sslrootcert=system").authorities, None);
    let keepalive =
        parse("keepalives=0 keepalives_idle=1 keepalives_interval=2 keepalives_count=4 tcp_user_timeout=500");
    let expected = Keepalive {
        is_on: false,
        idle: Duration::from_secs(1),
        interval: Duration::from_secs(2),
        count: 4,
        user_timeout: Duration::from_millis(500),
    };
    assert_eq!(keepalive.keepalive, expected);
}

#[test]
fn what_is_done_anyway_can_be_asked_for() {
    let plain = parse("postgresql://h/d");
    for setting in [
        "channel_binding=prefer",
        "channel_binding=disable",
        "gssencmode=prefer",
        "gssencmode=disable",
        "client_encoding=UTF8",
        "load_balance_hosts=disable",
        "sslsni=1",
        "sslcert=",
        "options=",
    ] {
        assert!(parse(&format!("postgresql://h/d?{setting}")) == plain, "{setting}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_remedy() {
    let table = [
        ("hots=a", "“hots” is not supported. Supported are: application_name, connect_timeout, dbname, host,"),
        ("sslcert=/x", "needs both: sslcert=FILE and sslkey=FILE"),
        ("sslkey=/x", "needs both"),
        ("sslcert=x sslkey=/x", "sslcert must be an absolute path"),
        ("sslpassword=x", "without a passphrase"),
        ("channel_binding=require", "Leave channel_binding away"),
        ("options='-c work_mem=1GB'", "ALTER ROLE user SET"),
        ("service=licenses", "service files are not read"),
        ("gssencmode=require", "Leave gssencmode away"),
        ("client_encoding=LATIN1", "always UTF8"),
        ("load_balance_hosts=random", "in their order"),
        ("fallback_application_name=x", "“fallback_application_name” is not supported. Supported are:"),
        ("host", "setting 1 is not written keyword=value"),
        ("host=a port", "setting 2"),
        ("=a", "setting 1"),
        ("host='a", "setting 1 has no closing quote"),
        ("host='a\\", "no closing quote"),
        ("host=a port=x", "a port is not a number from 1 to 65535"),
        ("port=0", "a port"),
        ("port=65536", "a port"),
        ("host=a,b port=1,2,3", "there are 3 ports for 2 hosts"),
        ("host=a,b hostaddr=10.0.0.1", "hostaddr (1) is not that of the hosts (2)"),
        ("hostaddr=db1", "hostaddr must be an IP address"),
        ("host=@abstract", "abstract"),
        ("sslmode=require", "sslmode=verify-full"),
        ("sslmode=prefer", "sslmode=disable"),
        ("sslmode=verify-ca", "sslmode=verify-full"),
        ("sslmode=on", "must be verify-full or disable"),
        ("sslrootcert=ca.pem", "sslrootcert must be an absolute path"),
        ("passfile=~/.pgpass", "passfile must be an absolute path"),
        ("target_session_attrs=standby", "read-write, primary or any"),
        ("connect_timeout=0", "connect_timeout must be a number of seconds from 1 to 3600"),
        ("connect_timeout=soon", "connect_timeout"),
        ("keepalives=2", "1 or 0"),
        ("keepalives_count=0", "keepalives_count"),
        ("keepalives_idle=0", "keepalives_idle"),
        ("tcp_user_timeout=1", "milliseconds"),
        ("host=a\0b", "setting 1 has a NUL"),
        ("postgresql://h/d%00", "NUL"),
        ("postgresql://h/%zz", "hexadecimal"),
        ("postgresql://h/%4", "hexadecimal"),
        ("postgresql://h/%ff", "UTF-8"),
        ("postgresql://[::1/d", "closing bracket"),
        ("postgresql://[::1]x/d", "between an IPv6 address"),
        ("postgresql://h/d?sslmode", "keyword=value"),
        ("postgresql://h/d?ssl=true", "“ssl” is not supported: write sslmode=verify-full"),
        ("postgresql://u:a@b@h/d", "%40"),
    ];
    for (text, expected) in table {
        let error = ConnectionString::parse(text, &account()).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let nameless = ConnectionString::parse("host=h", &Account::default()).unwrap_err();
    assert!(nameless.contains("user=NAME"), "{nameless}");
}

#[test]
fn no_message_has_a_part_of_the_password() {
    // Each is what an operator writes who forgets that the password needs encoding or quotes.
    let table = [
        "postgresql://agent:geheim/SECRET@h/d",
        "postgresql://agent:geheim?SECRET@h/d",
        "postgresql://agent:geheim?SECRET=1@h/d",
        "postgresql://agent:geheim@SECRET@h/d",
        "postgresql://agent:geheim@h?SECRET=1@h/d",
        "postgresql://agent:geheim%SECRET@h/d",
        "postgresql://agent:geheim:SECRET,SECRET/h/d",
        "postgresql://agent:SECRET",
        "postgresql://agent:[SECRET@h:x/d",
        "password=geheim SECRET",
        "password=geheim SECRET=1 host=h",
        "password=geheim secret=1 host=h",
        "password='geheim' SECRET' host=h",
        "password='geheim SECRET",
        "password geheim=SECRET",
        "host=h password = 'SECRET' SECRET='",
        "password=geheim\\",
    ];
    for text in table {
        if let Err(error) = ConnectionString::parse(text, &account()) {
            let shown = error.to_lowercase();
            assert!(!shown.contains("secret") && !shown.contains("geheim"), "{text}: {error}");
        }
    }
    let string = parse("postgresql://u:SECRET@h/d");
    assert!(!format!("{string} {string:?}").contains("SECRET"));
}

#[test]
fn the_password_file() {
    let directory = std::env::temp_dir().join(format!("opterius-pgpass-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let file = directory.join(".pgpass");
    fs::write(&file, "db1:5432:d:u:one\nlocalhost:*:*:*:socket\n").unwrap();
    let set = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    let home = Account { name: Some("u".to_owned()), home: Some(directory.clone()) };
    let ask = |text: &str| {
        let string = ConnectionString::parse(text, &home).unwrap();
        string.password(&string.targets[0]).map(|password| password.map(|password| password.expose().to_owned()))
    };
    let explicit = format!("host=db1 dbname=d passfile={}", file.display());
    set(0o600);
    let mut found = vec![
        (ask("host=db1 dbname=d"), Ok(Some("one"))),
        (ask(&explicit), Ok(Some("one"))),
        (ask("dbname=d"), Ok(Some("socket"))),
        (ask("host=/var/run/postgresql"), Ok(Some("socket"))),
        (ask("host=/tmp"), Ok(None)),
        (ask("host=db2"), Ok(None)),
        (ask("host=db1 dbname=d password=mine"), Ok(Some("mine"))),
    ];
    set(0o640);
    found.push((ask(&explicit), Err("chmod 0600")));
    found.push((ask("host=db1 dbname=d"), Err("chmod 0600")));
    fs::remove_file(&file).unwrap();
    found.push((ask(&explicit), Err("no such file or directory")));
    found.push((ask("host=db1 dbname=d"), Ok(None)));
    fs::remove_dir(&directory).unwrap();
    for (number, (found, expected)) in found.into_iter().enumerate() {
        match expected {
            Ok(expected) => assert_eq!(found.unwrap().as_deref(), expected, "case {number}"),
            Err(words) => assert!(found.as_ref().is_err_and(|error| error.contains(words)), "case {number}: {found:?}"),
        }
    }
}
