//! The dashboard in a browser with scripts disabled.

use super::*;
use crate::support::SOON;

#[test]
fn the_dashboard_works_without_scripts() {
    let server = server();
    let license = server.database.license("business");
    check_in(&server, &license, SERVERS[0]);
    check_in(&server, &license, SERVERS[1]);

    let browser = Browser::without_scripts();
    let page = "data:text/html,<p id=p>off</p><script>document.getElementById('p').textContent='on'</script>";
    browser.open(page);
    assert_eq!(text_of(&browser, "#p"), "off", "scripts are on");

    open(&browser, &server, "/");
    send_sign_in(&browser, OWNER, "wrong");
    assert_eq!(text_of(&browser, "#error"), "Wrong name or password.");
    send_sign_in(&browser, OWNER, PASSWORD);
    assert_path(&browser, "/licenses");
    click(&browser, "#licenses tbody a");
    click(&browser, "#show-key-button");
    assert!(eventually(SOON, || text_of(&browser, "#key") == license.key));
    click(&browser, &by_id(&format!("revoke-{}", SERVERS[0])));
    click(&browser, "#confirm");
    assert_flash(&browser, "203.0.113.1 revoked. Its slot on license 1 is free.");
    click(&browser, &by_id(&format!("move-{}", SERVERS[1])));
    type_into(&browser, "#to", "nowhere");
    click(&browser, "#confirm");
    assert_eq!(text_of(&browser, "#error"), "This is not an IP address such as 203.0.113.5 or 2001:db8::5.");
    type_into(&browser, "#to", SERVERS[2]);
    click(&browser, "#confirm");
    assert_flash(&browser, "License 1 moved from 203.0.113.2 to 203.0.113.3.");
    assert_eq!(server.database.addresses(license.id), [SERVERS[2]]);
    click(&browser, "#sign-out-button");
    assert_path(&browser, "/sign-in");

    sign_in(&browser, &server, ADMINISTRATOR);
    click(&browser, "#new-license");
    type_into(&browser, "#owner", OTHER_OWNER);
    choose(&browser, "#plan option[value=free]");
    click(&browser, "#confirm");
    assert_path(&browser, "/licenses/2");
    assert_flash(&browser, "License 2 created. The owner can view its key here.");
    click(&browser, "#suspend-license");
    click(&browser, "#confirm");
    assert_flash(&browser, "License 2 suspended. The change takes effect at each server's next check.");
    click(&browser, "#nav-licenses");
    type_into(&browser, "#q", OTHER_OWNER);
    click(&browser, "#search-button");
    assert_path(&browser, &format!("/licenses?q={OTHER_OWNER}"));
    assert_eq!(browser.find_all("#licenses tbody tr").len(), 1);
    assert!(text_of(&browser, "#license-2").contains("suspended"));
}
