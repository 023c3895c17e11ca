use super::*;

fn zone() -> Domain {
    Domain::parse("domain", "example.com").unwrap()
}

#[test]
fn a_name_is_in_its_zone() {
    let name = |text: &str| RecordName::parse("name", text, &zone()).map(|name| name.as_str().to_owned());
    for (text, expected) in [
        ("@", "example.com"),
        ("", "example.com"),
        ("www", "www.example.com"),
        ("WWW.Example.com", "www.example.com"),
        ("www.example.com.", "www.example.com"),
        ("example.com", "example.com"),
        ("*", "*.example.com"),
        ("*.shop", "*.shop.example.com"),
        ("default._domainkey", "default._domainkey.example.com"),
        ("_acme-challenge.www.example.com", "_acme-challenge.www.example.com"),
        ("notexample.com.example.com", "notexample.com.example.com"),
    ] {
        assert_eq!(name(text).unwrap(), expected, "{text}");
    }
    let long = "a".repeat(64);
    let deep = "a.".repeat(121) + "a";
    for text in [
        "www.example.org.",
        "notexample.com",
        "www.example.org",
        "example.com.org.",
        ".",
        "..",
        "a..b",
        ".www",
        "-a",
        "a-",
        "a b",
        "a\n",
        "a\0",
        "bücher",
        "a*",
        "*a",
        "w.*",
        "a.*.b",
        "**",
        "a;b",
        "a/b",
        "$ORIGIN",
        &long,
        &deep,
    ] {
        assert!(name(text).is_err(), "{text:?}: {:?}", name(text));
    }
}

#[test]
fn contents_are_written_as_in_a_zone_file() {
    use RecordType::{A, Aaaa, Caa, Cname, Mx, Ns, Srv, Txt};
    let read = |kind, text: &str, priority| content::parse(kind, text, priority, &zone());
    let long = "x".repeat(300);
    let split = format!("\"{}\" \"{}\"", "x".repeat(255), "x".repeat(45));
    for (kind, text, priority, expected) in [
        (A, " 203.0.113.5 ", Some(10), (None, "203.0.113.5")),
        (Aaaa, "2001:DB8:0::1", None, (None, "2001:db8::1")),
        (Cname, "Shop.example.ORG", None, (None, "shop.example.org.")),
        (Cname, "@", None, (None, "example.com.")),
        (Ns, "ns1.example.net.", None, (None, "ns1.example.net.")),
        (Mx, "mail.example.com", None, (Some(10), "mail.example.com.")),
        (Mx, "mail.example.com", Some(5), (Some(5), "mail.example.com.")),
        (Mx, "20 mail.example.com", None, (Some(20), "mail.example.com.")),
        (Mx, "20 mail.example.com", Some(20), (Some(20), "mail.example.com.")),
        (Mx, ".", Some(0), (Some(0), ".")),
        (Srv, "5 5060 sip.example.com", Some(1), (Some(1), "5 5060 sip.example.com.")),
        (Srv, "1 5 5060 sip.example.com.", None, (Some(1), "5 5060 sip.example.com.")),
        (Txt, "v=spf1 a mx ~all", Some(0), (None, "\"v=spf1 a mx ~all\"")),
        (Txt, "\"v=spf1 a mx ~all\"", None, (None, "\"v=spf1 a mx ~all\"")),
        (Txt, "say \"hi\" \\ é;", None, (None, r#""say \"hi\" \\ \195\169;""#)),
        (Txt, r#""a\"b" "\195\169""#, None, (None, r#""a\"b\195\169""#)),
        (Txt, &long, None, (None, &split)),
        (Txt, &split, None, (None, &split)),
        (Caa, "0 issue letsencrypt.org", None, (None, "0 issue \"letsencrypt.org\"")),
        (Caa, "128 ISSUEWILD \";\"", None, (None, "128 issuewild \";\"")),
        (Caa, "0 iodef \"mailto:a@example.com\"", None, (None, "0 iodef \"mailto:a@example.com\"")),
    ] {
        let (priority, content) = read(kind, text, priority).unwrap_or_else(|problem| panic!("{text}: {problem:?}"));
        assert_eq!((priority, content.as_str()), expected, "{text}");
        // What is written is read as the same.
        assert_eq!(read(kind, &content, priority), Ok((priority, content)), "{text}");
    }
}

#[test]
fn contents_of_another_form_are_refused() {
    use RecordType::{A, Aaaa, Caa, Cname, Mx, Ns, Srv, Txt};
    let long = "x".repeat(5000);
    for (kind, text, priority) in [
        (A, "2001:db8::1", None),
        (A, "203.0.113.256", None),
        (A, "203.0.113.5 203.0.113.6", None),
        (A, "", None),
        (Aaaa, "203.0.113.5", None),
        (Cname, "host", None),
        (Cname, "203.0.113.5", None),
        (Cname, "a b.example.com", None),
        (Cname, ".", None),
        (Ns, "ns1.example.net; rm", None),
        (Ns, "$(id).example.net", None),
        (Mx, "mail", None),
        (Mx, "x mail.example.com", None),
        (Mx, "70000 mail.example.com", None),
        (Mx, "20 mail.example.com", Some(10)),
        (Srv, "5060 sip.example.com", None),
        (Srv, "0 70000 sip.example.com", None),
        (Srv, "0 5060 sip", None),
        (Txt, "", None),
        (Txt, "a\nb", None),
        (Txt, "\"a", None),
        (Txt, "\"a\" b", None),
        (Txt, "\"a\\", None),
        (Txt, "\"\\9\"", None),
        (Txt, "\"\\999\"", None),
        (Txt, "\"\\010\"", None),
        (Txt, &long, None),
        (Caa, "0 issue", None),
        (Caa, "256 issue \"a\"", None),
        (Caa, "0 iss-ue \"a\"", None),
        (Caa, "0 issue \"a", None),
        (Caa, "0 issue \"a\\\"b\"", None),
    ] {
        assert!(content::parse(kind, text, priority, &zone()).is_err(), "{text:?}");
    }
}
