//! The layout of the pages of users, second factors, passwords and tokens. Most are answers to a form.

use super::super::second_factors::code;
use super::*;

const USERS: [(&str, &str); 13] = [
    ("users", "/users"),
    ("users-none", "/users?q=nobody"),
    ("user", "/users/1"),
    ("user-long", "/users/5"),
    ("new-user", "/users/new"),
    ("edit-user", "/users/5/edit"),
    ("disable-user", "/users/5/disable"),
    ("enable-user", "/users/5/enable"),
    ("end-sessions", "/users/5/end-sessions"),
    ("reset-second-factor", "/users/5/reset-second-factor"),
    ("delete-user", "/users/1/delete"),
    ("link-user", "/users/1/link"),
    ("webhook-rotate", "/webhooks/1/rotate"),
];

#[test]
fn the_pages_of_users_fit_every_screen_in_light_and_dark() {
    let server = server();
    populate(&server);
    let browser = Browser::start();
    sign_in(&browser, &server, ADMINISTRATOR);
    pages(&browser, &server, &USERS);
    click(&browser, "#confirm");
    let secret = text_of(&browser, "#secret");
    assert!(secret.starts_with("whsec_"), "{secret}");
    look(&browser, "webhook-secret");

    open(&browser, &server, "/users/new");
    type_into(&browser, "#user", &"a-long-name.".repeat(10));
    click(&browser, "#confirm");
    look(&browser, "link");
    open(&browser, &server, "/users/1/link");
    click(&browser, "#confirm");
    let link = text_of(&browser, "#link");
    click(&browser, "#sign-out-button");

    open(&browser, &server, &link);
    look(&browser, "set-password");
    type_into(&browser, "#new", "an entirely different sentence");
    type_into(&browser, "#again", "another sentence");
    click(&browser, "#confirm");
    assert!(browser.find("#error").is_displayed());
    look(&browser, "set-password-refused");
    open(&browser, &server, &link.replace("token=", "token=0"));
    assert_eq!(browser.status(), 404);
    look(&browser, "set-password-ended");
}

#[test]
fn the_pages_of_second_factors_fit_every_screen_in_light_and_dark() {
    let server = server();
    populate(&server);
    let browser = Browser::start();
    sign_in(&browser, &server, OWNER);
    open(&browser, &server, "/second-factor");
    type_into(&browser, "#password", "wrong");
    type_into(&browser, "#code", "000000");
    click(&browser, "#confirm");
    assert!(browser.find("#error").is_displayed());
    look(&browser, "second-factor-refused");
    type_into(&browser, "#password", PASSWORD);
    type_into(&browser, "#code", &code(&text_of(&browser, "#secret"), -30));
    click(&browser, "#confirm");
    assert_eq!(browser.find_all("#codes li").len(), 10);
    look(&browser, "recovery-codes");
    for (name, path) in [
        ("account-with-second-factor", "/account"),
        ("new-recovery-codes", "/second-factor/recovery-codes"),
        ("remove-second-factor", "/second-factor/remove"),
    ] {
        open(&browser, &server, path);
        look(&browser, name);
    }
    click(&browser, "#sign-out-button");
    open(&browser, &server, "/sign-in");
    send_sign_in(&browser, OWNER, PASSWORD);
    assert!(browser.find("#code").is_displayed());
    look(&browser, "sign-in-code");
    type_into(&browser, "#code", "000000x");
    click(&browser, "#confirm");
    assert!(browser.find("#error").is_displayed());
    look(&browser, "sign-in-code-refused");
}

#[test]
fn the_pages_of_tokens_fit_every_screen_in_light_and_dark() {
    let server = server();
    let add = |name: &str, more: &[&str]| {
        let scopes = "licenses:read,licenses:write,keys:reveal,users:write,events:read";
        let output = server.run(&[&["token", "add", name, "--scopes", scopes][..], more].concat());
        assert!(output.status.success(), "{output:?}");
    };
    add(
        &"a-long-name.".repeat(5),
        &["--networks", "2001:db8:1234:5678:9abc:def0:1234:5678,203.0.113.0/24,198.51.100.7"],
    );
    add("billing", &["--expires", "2099-12-31"]);
    add("former", &[]);
    assert!(server.run(&["token", "revoke", "former"]).status.success());
    let browser = Browser::start();
    sign_in(&browser, &server, ADMINISTRATOR);
    let paths = [
        ("api-tokens", "/api-tokens"),
        ("api-tokens-revoked", "/api-tokens?revoked=1"),
        ("revoke-api-token", "/api-tokens/1/revoke"),
        ("new-api-token", "/api-tokens/new"),
    ];
    pages(&browser, &server, &paths);
    type_into(&browser, "#token", "a b");
    type_into(&browser, "#networks", "2001:db8:1234:5678:9abc:def0:1234:5678/64");
    type_into(&browser, "#password", "wrong");
    click(&browser, "#confirm");
    assert_eq!(browser.find_all(".wrong").len(), 3);
    look(&browser, "new-api-token-refused");
    type_into(&browser, "#token", "shop");
    type_into(&browser, "#networks", "");
    choose(&browser, &by_id("scopes-licenses:read"));
    type_into(&browser, "#password", PASSWORD);
    click(&browser, "#confirm");
    assert!(text_of(&browser, "#secret").starts_with("opl_"));
    look(&browser, "api-token-secret");
}
