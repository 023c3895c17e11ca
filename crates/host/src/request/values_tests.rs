use super::*;

fn refused<T: fmt::Debug>(result: Result<T, Problem>, what: &str) {
    assert!(matches!(&result, Err(Problem::Invalid { .. })), "{what:?}: {result:?}");
}

#[test]
fn only_valid_domains_are_accepted() {
    for (text, expected) in [
        ("example.com", "example.com"),
        ("Example.COM", "example.com"),
        ("a.b.c.example", "a.b.c.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("1.example", "1.example"),
        ("a--b.example", "a--b.example"),
    ] {
        assert_eq!(Domain::parse("domain", text).unwrap().as_str(), expected);
    }
    let long_label = format!("{}.example", "a".repeat(64));
    let long_name = format!("{}example", "abcdefg.".repeat(40));
    for text in [
        "",
        ".",
        "..",
        "example",
        "example.",
        ".example.com",
        "a..b",
        "-a.example",
        "a-.example",
        "a_b.example",
        "exa mple.com",
        "example.com\n",
        "\nexample.com",
        "example.com;",
        "$(id).example",
        "`id`.example",
        "a/b.example",
        "../etc.example",
        "*.example.com",
        "bücher.example",
        "ехample.com",
        "example。com",
        "127.0.0.1",
        "1.2",
        "example.com\0",
        "example.com:80",
        "a\u{200b}.example",
        "{a}.example",
        &long_label,
        &long_name,
    ] {
        refused(Domain::parse("domain", text), text);
    }
}

#[test]
fn only_usernames_that_shadow_utils_accepts_are_accepted() {
    for text in ["alice", "_a", "a", "a-b_c9", &"a".repeat(32)] {
        assert_eq!(Username::parse("username", text).unwrap().as_str(), text);
    }
    for text in [
        "",
        "Alice",
        "9a",
        "-a",
        "a b",
        "a\n",
        "a:b",
        "a/b",
        "..",
        "a.b",
        "аlice",
        "alice\u{200d}",
        "a$",
        "a,b",
        "a'",
        &"a".repeat(33),
    ] {
        refused(Username::parse("username", text), text);
    }
}

#[test]
fn document_roots_are_plain_paths_below_the_home() {
    let alice = Username::parse("username", "alice").unwrap();
    for (text, expected) in [
        ("/home/alice/example.com/public_html", "example.com/public_html"),
        ("/home/alice/example.com/public_html/", "example.com/public_html"),
        ("/home/alice/x", "x"),
    ] {
        assert_eq!(DocumentRoot::parse("document_root", text, &alice).unwrap().from_home(), expected);
    }
    let long = format!("/home/alice/{}", "a".repeat(256));
    let longer = format!("/home/alice{}", "/abcdefg".repeat(130));
    for text in [
        "",
        "/",
        "/home",
        "/home/alice",
        "/home/alice/",
        "/home/alice//",
        "/home/alice2/x",
        "/home/alicex",
        "/home/bob/x",
        "/home/alice/../bob/x",
        "/home/alice/./x",
        "/home/alice//x",
        "/home/alice/x/..",
        "home/alice/x",
        "x",
        "/etc/nginx",
        "/home/alice/.ssh",
        "/home/alice/x/.git",
        "/home/alice/x y",
        "/home/alice/x;",
        "/home/alice/x\n",
        "/home/alice/x\"",
        "/home/alice/$x",
        "/home/alice/{x}",
        "/home/alice/x'",
        "/home/alice/x\\",
        "/home/alice/ü",
        "/home/alice/x\0",
        "//home/alice/x",
        &long,
        &longer,
    ] {
        refused(DocumentRoot::parse("document_root", text, &alice), text);
    }
}

#[test]
fn other_fields_follow_their_rules() {
    for text in ["8.4", "7.4", "8.10"] {
        assert!(PhpVersion::parse("php_version", text).is_ok());
    }
    for text in ["", "8", "8.", ".4", "8.4.1", "../8", "8.x", "888.4", "８.4", "8.4\n"] {
        refused(PhpVersion::parse("php_version", text), text);
    }
    for text in ["a@example.com", "first.last+tag@Example.com"] {
        assert!(Email::parse("email", text).is_ok(), "{text}");
    }
    for text in
        ["", "a", "@example.com", "a@", "a@b", "a b@example.com", "-a@example.com", "a@example.com\n", "ä@example.com"]
    {
        refused(Email::parse("email", text), text);
    }
    for text in ["12345678", "pässwörd", "a:b c'\"$"] {
        assert!(password("password", text).is_ok(), "{text}");
    }
    for text in ["", "1234567", "1234567\n8", "1234567\08", &"a".repeat(256)] {
        assert!(password("password", text).is_err(), "{text:?}");
    }
}
