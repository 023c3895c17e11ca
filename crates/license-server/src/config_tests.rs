use super::*;

fn parsed(text: &str) -> Result<Config, String> {
    parse(text, "license-server.conf").map(|loaded| loaded.config).map_err(|error| error.to_string())
}

#[test]
fn an_empty_file_has_the_defaults() {
    let config = parsed("").unwrap();
    assert_eq!((config.listen_addr.to_string().as_str(), config.port), ("127.0.0.1", 7480));
    assert_eq!(config.data_dir, Path::new("/var/lib/opterius-license-server"));
    assert_eq!((config.public_url, config.renew_url), (None, None));
}

#[test]
fn a_connection_string_is_not_shown_and_its_password_not_readable_by_all() {
    let file = std::env::temp_dir().join(format!("opterius-config-{}", std::process::id()));
    let load_with = |text: &str, mode| {
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        load(&file).map(|loaded| loaded.config)
    };
    let secret = "database=postgresql://agent:geheim@db1,db2/licenses\n";
    let table = [
        (secret, 0o640, Ok(())),
        (secret, 0o644, Err("chmod 0640")),
        ("database=postgresql://agent@db1/licenses\n", 0o644, Ok(())),
        ("database=host=db1 passfile=/etc/pass user=agent\n", 0o644, Ok(())),
        ("database=/srv/licenses.db\n", 0o644, Ok(())),
        ("database=licenses.db\n", 0o640, Err("postgresql://user@host/database")),
        ("database=postgresql://agent:geheim@db1:geheim/x\n", 0o640, Err("a port is not a number")),
        ("database=host=db1 password=geheim hots=1\n", 0o640, Err("is not supported")),
    ];
    for (text, mode, expected) in table {
        match (load_with(text, mode), expected) {
            (Ok(config), Ok(())) => assert!(!format!("{config:?}").contains("geheim"), "{config:?}"),
            (Err(error), Err(words)) => {
                let error = error.to_string();
                assert!(error.contains(words) && !error.contains("geheim"), "{text}: {error}");
            }
            (found, _) => panic!("{text}: {found:?}"),
        }
    }
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn the_shipped_example_lists_every_key_with_its_default() {
    let text = include_str!("../../../dist/license-server.conf");
    assert_eq!(parsed(text), parsed(""), "the example file sets nothing");
    let examples = ["database", "public_url", "renew_url", "mail_from", "trusted_proxies", "webhook_ca_file"];
    let mut uncommented = String::new();
    for (key, _) in ConfigKey::KEYS {
        let line =
            text.lines().find_map(|line| line.strip_prefix('#').filter(|line| line.starts_with(&format!("{key}="))));
        let line = line.unwrap_or_else(|| panic!("{key} is not in dist/license-server.conf"));
        uncommented.push_str(line);
        uncommented.push('\n');
        if !examples.contains(key) {
            assert_eq!(parsed(line), parsed(""), "{line} is not the default");
        }
    }
    let Loaded { warnings, .. } = parse(&uncommented, "license-server.conf").unwrap();
    assert_eq!(warnings, [] as [String; 0]);
}

#[test]
fn every_key_is_parsed() {
    let text = "listen_addr=::1\nport=8000\ndata_dir=/srv/licenses\npublic_url=https://licenses.example.com:8443/\n\
                renew_url=https://shop.example.com/renew?from=dashboard\ntrusted_proxies=127.0.0.1, ::ffff:10.0.0.1 10.1.0.0/16,2001:db8::/32\n\
                max_connections=64\nwebhook_private_targets=Yes\nwebhook_ca_file=/etc/ssl/shop.pem\nlog=stderr\nmail=/opt/sendmail\n\
                mail_from=a@example.com\nrequire_second_factor=administrators\n";
    let expected = Config {
        listen_addr: "::1".parse().unwrap(),
        port: 8000,
        data_dir: PathBuf::from("/srv/licenses"),
        database: None,
        public_url: Some(PublicUrl {
            url: "https://licenses.example.com:8443".to_owned(),
            host: "licenses.example.com".to_owned(),
        }),
        renew_url: Some("https://shop.example.com/renew?from=dashboard".to_owned()),
        trusted_proxies: ["127.0.0.1", "10.0.0.1", "10.1.0.0/16", "2001:db8::/32"]
            .map(|text| text.parse().unwrap())
            .into(),
        mail: MailSystem::Program(PathBuf::from("/opt/sendmail")),
        mail_from: Some("a@example.com".to_owned()),
        require_second_factor: RequireSecondFactor::Administrators,
        max_connections: 64,
        receivers: Receivers::Private,
        webhook_ca_file: Some(PathBuf::from("/etc/ssl/shop.pem")),
        log: LogTarget::Stderr,
    };
    assert_eq!(parsed(text), Ok(expected));
}

#[test]
fn an_error_names_the_line_and_the_key() {
    let table = [
        ("listen_addr=0.0.0.0", "license-server.conf:1: listen_addr “0.0.0.0” is not a loopback address"),
        ("\nlisten_addr=203.0.113.5", "license-server.conf:2: listen_addr"),
        ("port=65536", "must be a whole number from 0 to 65535"),
        ("data_dir=licenses", "must be an absolute path"),
        ("public_url=licenses.example.com", "is not a URL"),
        ("public_url=https://licenses.example.com/path", "without a path"),
        ("public_url=https://user@licenses.example.com", "is not a URL"),
        ("renew_url=javascript:alert(1)", "is not a URL"),
        ("renew_url=https://shop.example.com/a b", "is not a URL"),
        ("trusted_proxies=127.0.0.1, nginx", "“nginx” is not an IP address"),
        (
            "\ntrusted_proxies=127.0.0.1, 10.0.0.1/8",
            "license-server.conf:2: trusted_proxies “10.0.0.1/8” has bits set after its prefix: if you mean the whole \
             network, write 10.0.0.0/8",
        ),
        ("trusted_proxies=10.0.0.0/33", "“10.0.0.0/33” needs a number from 0 to 32 after the slash"),
        ("trusted_proxies=2001:db8::/129", "“2001:db8::/129” needs a number from 0 to 128 after the slash"),
        ("trusted_proxies=0.0.0.0/0", "“0.0.0.0/0” is every address"),
        ("trusted_proxies=::/0", "“::/0” is every address"),
        ("trusted_proxie=127.0.0.1", "Did you mean “trusted_proxies”?"),
        ("webhook_private_targets=maybe", "must be yes or no"),
        ("webhook_ca_file=shop.pem", "must be an absolute path"),
        ("mail=msmtp", "must be auto, none, smtp://127.0.0.1:25, or the absolute path of a program"),
        ("mail=smtp://localhost", "needs an address and a port"),
        ("mail=smtp://203.0.113.5:25", "is not on this machine"),
        ("mail_from=Licenses <licenses@example.com>", "is not an e-mail address"),
        ("require_second_factor=yes", "must be none or administrators"),
        ("log=file", "must be auto, syslog or stderr"),
    ];
    for (text, expected) in table {
        let sentence = parsed(text).unwrap_err();
        assert!(sentence.contains(expected), "{text}: {sentence}");
    }
}
