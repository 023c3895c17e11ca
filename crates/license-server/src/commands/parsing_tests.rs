use std::path::Path;
use std::time::Duration;

use super::*;
use crate::actions::{LicenseTerms, NewUser, TokenTerms, UserChange};
use crate::commands::task::DatabasePlace;
use crate::commands::values::LicenseRef;
use crate::model::{Basis, Billing, Change, EventType, License, LinkPurpose, Period, Plan, Scope, Standing, Status};
use crate::store::{Cursor, Filter, Location, Sort};
use opterius_base::clock::Timestamp;
use opterius_base::secret::Secret;

fn parsed(arguments: &[&str]) -> Result<Command, String> {
    parse(std::iter::once("opterius-license-server").chain(arguments.iter().copied()).map(OsString::from))
}

fn task(line: &str) -> Task {
    match parsed(&line.split(' ').collect::<Vec<_>>()) {
        Ok(Command::Task { config_file, task }) => {
            assert_eq!(config_file, Path::new(DEFAULT_PATH), "{line}");
            task
        }
        other => panic!("{line}: {other:?}"),
    }
}

fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3600)
}

#[test]
fn every_documented_command_is_parsed() {
    let license = || LicenseRef::Number(7);
    let change = |change| Task::ChangeLicense { license: license(), change };
    let ip = |text: &str| text.parse().unwrap();
    let end = Timestamp::parse_rfc3339("2027-03-01T00:00:00Z").unwrap();
    let owner = || "alice".to_owned();
    let terms = |expires_at, locked_ip| LicenseTerms {
        owner: owner(),
        plan: "free".to_owned(),
        expires_at,
        locked_ip,
        ..LicenseTerms::default()
    };
    let billing = |status: &str, ends, until| Billing {
        subscription_status: Some(status.to_owned()),
        cancel_at_period_end: Some(ends),
        current_period_end: until,
    };
    let list = |owner: Option<&str>, filter, limit, json| Task::ListLicenses {
        owner: owner.map(str::to_owned),
        filter: Box::new(filter),
        limit,
        json,
    };
    let add_user = |new, invite, mail| Task::AddUser { new, invite, mail, json: false };
    let password_link = |purpose, mail, json| Task::MakePasswordLink { name: owner(), purpose, mail, json };
    let table = [
        ("init", Task::Init),
        ("check", Task::Check { json: false }),
        ("check --json", Task::Check { json: true }),
        ("stats", Task::ShowStatistics { json: false }),
        ("stats --json", Task::ShowStatistics { json: true }),
        ("backup /tmp/x.db", Task::Backup { file: "/tmp/x.db".into() }),
        ("backup /x --every 6h", Task::RepeatedBackup { directory: "/x".into(), every: hours(6), keep: 14 }),
        ("backup /x --every 1d --keep 3", Task::RepeatedBackup { directory: "/x".into(), every: hours(24), keep: 3 }),
        (
            "move --from /x.db --to-config /c",
            Task::MoveDatabase {
                from: DatabasePlace::Location(Location::File("/x.db".into())),
                to: DatabasePlace::Config("/c".into()),
            },
        ),
        ("restore /x.db", Task::Restore { file: "/x.db".into(), undecided: hours(48), confirmed: false }),
        (
            "restore /x.db --undecided 0h --yes",
            Task::Restore { file: "/x.db".into(), undecided: hours(0), confirmed: true },
        ),
        ("license create --owner alice --plan free", Task::CreateLicense { terms: terms(None, None), json: false }),
        (
            "license create --json --owner=alice --plan=free --expires 2027-02-28 --lock-ip ::ffff:203.0.113.5",
            Task::CreateLicense { terms: terms(Some(end), Some(ip("203.0.113.5"))), json: true },
        ),
        (
            "license create --owner alice --plan free --reference A-1 --trial",
            Task::CreateLicense {
                terms: LicenseTerms { reference: Some("A-1".to_owned()), is_trial: true, ..terms(None, None) },
                json: false,
            },
        ),
        ("license list", list(None, Filter::default(), Some(50), false)),
        (
            "license list --owner alice --search ABCD --all --json",
            list(Some("alice"), Filter { search: Some("ABCD".to_owned()), ..Filter::default() }, None, true),
        ),
        (
            "license list --reference A-1 --plan free --standing expired --expires-before 2027-02-28 --server-ip \
             ::ffff:203.0.113.5 --hostname a.b --label eu --over-limit --never-used --trial --limit 1000 --cursor 7",
            list(
                None,
                Filter {
                    reference: Some("A-1".to_owned()),
                    plan: Some("free".to_owned()),
                    standing: Some(Standing::Expired),
                    expires_before: Some(end),
                    server_ip: Some(ip("203.0.113.5")),
                    hostname: Some("a.b".to_owned()),
                    label: Some("eu".to_owned()),
                    over_limit: true,
                    never_used: true,
                    trial: true,
                    after: Cursor::parse("7", Sort::Newest),
                    ..Filter::default()
                },
                Some(1000),
                false,
            ),
        ),
        ("license show 7", Task::ShowLicense { license: license(), reveal_key: false, json: false }),
        ("--json license --reveal-key show #7", Task::ShowLicense { license: license(), reveal_key: true, json: true }),
        ("license suspend 7", change(Change::Suspend)),
        ("license suspend 7 --reason unpaid", change(Change::SuspendFor("unpaid".to_owned()))),
        ("license renew 7 --add P1M", change(Change::Extend(Period::months(1), Basis::NowIfExpired))),
        ("license renew 7 --add P1Y --basis now", change(Change::Extend(Period::months(12), Basis::Now))),
        ("license transfer 7 alice", Task::TransferLicense { license: license(), owner: owner() }),
        ("license set-reference 7 A-1", change(Change::SetReference(Some("A-1".to_owned())))),
        ("license set-note 7 unpaid", change(Change::SetNote("unpaid".to_owned()))),
        ("license set-labels 7 eu,gold", change(Change::SetLabels(vec!["eu".to_owned(), "gold".to_owned()]))),
        ("license set-trial 7 no", change(Change::SetTrial(false))),
        ("license resume 7", change(Change::Resume)),
        ("license cancel 7", change(Change::Cancel)),
        ("license delete 7", Task::DeleteLicense { license: license(), confirmed: false }),
        ("license delete 7 --yes", Task::DeleteLicense { license: license(), confirmed: true }),
        ("license renew 7 --until 2027-02-28", change(Change::Renew(Some(end)))),
        ("license renew 7 --until never", change(Change::Renew(None))),
        ("license set-plan 7 business", change(Change::SetPlan("business".to_owned()))),
        ("license lock-ip 7 ::1", change(Change::LockIp(ip("::1")))),
        ("license unlock-ip 7", change(Change::UnlockIp)),
        ("license revoke 7 203.0.113.5", Task::Revoke { license: license(), ip: ip("203.0.113.5"), block: None }),
        (
            "license revoke 7 203.0.113.5 --block 7d",
            Task::Revoke { license: license(), ip: ip("203.0.113.5"), block: Some(Duration::from_secs(604_800)) },
        ),
        ("license unblock 7 203.0.113.5", Task::Unblock { license: license(), ip: ip("203.0.113.5") }),
        (
            "license move 7 203.0.113.5 203.0.113.6",
            Task::Move { license: license(), from: ip("203.0.113.5"), to: ip("203.0.113.6") },
        ),
        ("license set-billing 7 --status none", change(Change::SetBilling(Billing::default()))),
        ("license set-billing 7 --status past_due", change(Change::SetBilling(billing("past_due", false, None)))),
        (
            "license set-billing 7 --status active --period-end 2027-02-28 --cancel-at-period-end",
            change(Change::SetBilling(billing("active", true, Some(end)))),
        ),
        ("history", Task::History { license: None, all: false, json: false }),
        ("history 7 --all --json", Task::History { license: Some(license()), all: true, json: true }),
        ("plan list --json", Task::ListPlans { json: true }),
        (
            "plan set tiny --title Tiny --max-accounts 1 --max-servers 0",
            Task::SetPlan {
                plan: Plan { slug: "tiny".to_owned(), name: "Tiny".to_owned(), max_accounts: 1, max_servers: 0 },
                confirmed: false,
            },
        ),
        (
            "plan set tiny --yes --title Tiny --max-accounts 1 --max-servers 2",
            Task::SetPlan {
                plan: Plan { slug: "tiny".to_owned(), name: "Tiny".to_owned(), max_accounts: 1, max_servers: 2 },
                confirmed: true,
            },
        ),
        ("user list", Task::ListUsers { json: false }),
        ("user show alice --json", Task::ShowUser { name: owner(), json: true }),
        ("user add alice", add_user(NewUser { name: owner(), ..NewUser::default() }, false, true)),
        (
            "user add alice --administrator --display-name Alice --mail a@example.com --invite --no-mail",
            add_user(
                NewUser {
                    name: owner(),
                    display_name: "Alice".to_owned(),
                    mail: Some("a@example.com".to_owned()),
                    administrator: true,
                    ..NewUser::default()
                },
                true,
                false,
            ),
        ),
        (
            "user set alice --name bob --role owner --mail=",
            Task::ChangeUser {
                name: owner(),
                change: UserChange {
                    name: Some("bob".to_owned()),
                    mail: Some(String::new()),
                    administrator: Some(false),
                    ..UserChange::default()
                },
            },
        ),
        ("user invite alice --json", password_link(LinkPurpose::Invitation, true, true)),
        ("user reset alice --no-mail", password_link(LinkPurpose::Reset, false, false)),
        ("user reset-second-factor alice", Task::ResetSecondFactor { name: owner() }),
        ("user sessions alice", Task::ListSessions { name: owner(), json: false }),
        ("user sign-out alice", Task::EndSessions { name: owner() }),
        ("user disable alice", Task::DisableUser { name: owner() }),
        ("user enable alice", Task::EnableUser { name: owner() }),
        (
            "user delete alice --transfer-to bob --yes",
            Task::DeleteUser { name: owner(), heir: Some("bob".to_owned()), confirmed: true },
        ),
        ("user passwd alice", Task::SetPassword { name: owner() }),
        (
            "token add shop --scopes licenses:read,licenses:write --networks 203.0.113.5 --expires 2027-02-28 --json",
            Task::AddToken {
                terms: TokenTerms {
                    name: "shop".to_owned(),
                    scopes: vec![Scope::LicensesRead, Scope::LicensesWrite],
                    networks: vec!["203.0.113.5".parse().unwrap()],
                    expires_at: Some(end),
                },
                json: true,
            },
        ),
        ("token list", Task::ListTokens { json: false }),
        ("token revoke shop", Task::RevokeToken { name: "shop".to_owned() }),
        (
            "webhook add https://shop.example.com/hook",
            Task::AddWebhook { url: "https://shop.example.com/hook".to_owned(), events: None, json: false },
        ),
        (
            "webhook add https://shop.example.com --events license.created,server.refused --json",
            Task::AddWebhook {
                url: "https://shop.example.com".to_owned(),
                events: Some(vec![EventType::LicenseCreated, EventType::ServerRefused]),
                json: true,
            },
        ),
        ("webhook list", Task::ListWebhooks { json: false }),
        ("webhook show 3", Task::ShowWebhook { webhook: 3, json: false }),
        ("webhook remove 3", Task::RemoveWebhook { webhook: 3 }),
        ("webhook rotate 3", Task::RotateWebhook { webhook: 3, json: false }),
        ("webhook test 3", Task::TestWebhook { webhook: 3 }),
        ("webhook replay 3", Task::ReplayEvents { webhook: 3, event: None }),
        ("webhook replay 3 evt_1", Task::ReplayEvents { webhook: 3, event: Some("evt_1".to_owned()) }),
        ("keys show", Task::ShowKeys { json: false }),
        ("keys rotate", Task::RotateKeys { json: false }),
        ("keys retire --force", Task::RetireKeys { forced: true, json: false }),
    ];
    for (line, expected) in &table {
        assert_eq!(&task(line), expected, "{line}");
    }
    // The table covers every command but serve and deliver.
    for spec in specs::all().filter(|spec| !matches!(spec.words, ["serve"] | ["deliver"])) {
        let is_covered = |(line, _): &(&str, Task)| line.replace("--json ", "").starts_with(&spec.words.join(" "));
        assert!(table.iter().any(is_covered), "{}", spec.usage());
    }
}

/// A license for which some of the changes are possible.
fn license(status: Status, locked_ip: Option<&str>) -> License {
    let plan = Plan { slug: "business".to_owned(), name: "Business".to_owned(), max_accounts: 100, max_servers: 5 };
    License {
        id: 7,
        key: Secret::new("KEY".to_owned()),
        owner: 1,
        owner_name: "alice".to_owned(),
        plan,
        status,
        expires_at: Some(Timestamp::from_unix(1)),
        locked_ip: locked_ip.map(|ip| ip.parse().unwrap()),
        billing: Billing::default(),
        reference: None,
        note: String::new(),
        labels: Vec::new(),
        suspension_reason: None,
        is_trial: false,
        last_check_at: None,
        created_at: Timestamp::from_unix(0),
        revision: 1,
    }
}

#[test]
fn a_change_is_recorded_as_the_action_of_its_command() {
    let plan = Plan { slug: "free".to_owned(), name: "Free".to_owned(), max_accounts: 5, max_servers: 1 };
    let example = |value: &str| match value {
        "ID" => "7",
        "SLUG" => "free",
        "IP" | "FROM" => "203.0.113.5",
        "TO" => "203.0.113.6",
        "DATE" => "never",
        "STATUS" => "none",
        "NAME" => "alice",
        "REFERENCE" | "TEXT" | "LABELS" => "A-1",
        "YES-OR-NO" => "yes",
        other => panic!("no example for {other}"),
    };
    for spec in specs::all().filter(|spec| spec.operands.first() == Some(&"ID")) {
        let options = spec.option_specs().filter(|option| option.required);
        let options = options.map(|option| format!("--{}={}", option.name, example(option.value.unwrap())));
        // One of two options is required.
        let renewal = (spec.words == ["license", "renew"]).then(|| "--until=never".to_owned());
        let options = options.chain(renewal);
        let operands = spec.operands.iter().map(|operand| example(operand).to_owned());
        let line: Vec<String> =
            spec.words.iter().map(|word| (*word).to_owned()).chain(operands).chain(options).collect();
        let Task::ChangeLicense { change, .. } = task(&line.join(" ")) else { continue };
        let licenses = [license(Status::Active, None), license(Status::Suspended, Some("203.0.113.9"))];
        let mut changes = licenses.into_iter().filter_map(|mut license| {
            change.apply(&mut license, std::slice::from_ref(&plan), Timestamp::from_unix(2)).ok()
        });
        assert_eq!(changes.next().map(|change| change.action), spec.history_action, "{}", spec.usage());
    }
}

#[test]
fn serve_help_and_version_are_parsed() {
    let other = || PathBuf::from("/x/license-server.conf");
    assert_eq!(parsed(&["serve"]), Ok(Command::Serve { config_file: DEFAULT_PATH.into() }));
    assert_eq!(parsed(&["serve", "--config", "/x/license-server.conf"]), Ok(Command::Serve { config_file: other() }));
    assert_eq!(parsed(&["--config=/x/license-server.conf", "serve"]), Ok(Command::Serve { config_file: other() }));
    assert_eq!(parsed(&["deliver"]), Ok(Command::Deliver { config_file: DEFAULT_PATH.into() }));
    assert_eq!(parsed(&["--version"]), Ok(Command::Version));
    assert_eq!(parsed(&["-V"]), Ok(Command::Version));
    assert_eq!(parsed(&["--help"]), Ok(Command::Help(None)));
    assert_eq!(parsed(&["help"]), Ok(Command::Help(None)));
    assert_eq!(task("backup help"), Task::Backup { file: "help".into() });
    assert_eq!(parsed(&["nonsense", "-h"]), Ok(Command::Help(None)));
    for (line, count) in [
        ("license --help", 20),
        ("license show --help", 1),
        ("--help keys", 3),
        ("backup x --help", 1),
        ("help license create", 1),
        ("keys help", 3),
        ("license show --helpp --help", 1),
    ] {
        match parsed(&line.split(' ').collect::<Vec<_>>()) {
            Ok(Command::Help(Some(specs))) => assert_eq!(specs.len(), count, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn a_usage_error_names_the_wrong_argument() {
    let table = [
        ("", "missing command"),
        ("licens", "Did you mean “license”?"),
        ("license", "requires a subcommand: create, list"),
        ("license shwo 7", "unknown command “license shwo”"),
        ("license show", "missing operand ID"),
        ("license move 7 203.0.113.5", "missing operand TO"),
        ("license show 7 8", "unexpected argument “8”"),
        ("license show 7 --yes", "license show has no option --yes"),
        ("backup /x --keep 3", "--keep needs --every"),
        ("backup /x --every 6h --keep 0", "--keep must be at least 1"),
        ("backup /x --every 6", "--every “6” must be a time"),
        ("restore", "missing operand FILE"),
        ("move --from /a", "missing option --to DATABASE or --to-config FILE"),
        ("move --from postgresql://u:secret@h/d --to /a", "must not have a password"),
        ("license show 7 --confg x", "unknown option “--confg”. Did you mean “--config”?"),
        ("license show 7 --json --json", "--json is given more than once"),
        ("license show 7 --json=yes", "json"),
        ("license show -7", "unknown option “-7”"),
        ("license show 1'OR'1'='1", "is neither a license number nor a full key"),
        ("license show AAAAAAAA-BBBBBBBB'", "ID must be"),
        ("license set-plan gold 1", "“gold” is neither a license number nor a full key"),
        ("history abc", "“abc” is neither a license number nor a full key"),
        ("license creat", "unknown command “license creat”. Did you mean “license create”?"),
        ("user del alice", "unknown command “user del”. Did you mean “user delete”?"),
        ("user fly alice", "unknown command “user fly”. Available: list, show, add, set, passwd, invite, reset,"),
        ("user set alice", "nothing to change. Use --name,"),
        ("user set alice --role root", "--role “root” must be administrator or owner"),
        ("create license", "Did you mean “license create”?"),
        ("suspend 1", "Did you mean “license suspend”?"),
        ("suspnd 1", "Did you mean “license suspend”?"),
        ("list", "Did you mean “license list”, “plan list”, “user list”, “token list” or “webhook list”?"),
        ("list users", "Did you mean “user list”?"),
        (
            "license create --owner a --expire never",
            "“--expire”. Did you mean “--expires”?\nUsage: opterius-license-server license create",
        ),
        ("license list --serach x", "Did you mean “--search”?\nUsage: opterius-license-server license list"),
        ("user add alice --admin", "Did you mean “--administrator”?\nUsage: opterius-license-server user add"),
        ("license list -owner alice", "Use two hyphens: --owner\nUsage: opterius-license-server license list"),
        ("--confg x serve", "Did you mean “--config”?\nTry: "),
        ("license suspend 7 --search x", "license suspend has no option --search"),
        ("license create --owner alice", "missing option --plan SLUG"),
        ("license create --owner alice --plan", "--plan requires SLUG"),
        ("license create --owner alice --plan free --expires soon", "“soon” is not a date"),
        ("license create --owner alice --plan free --lock-ip 1.2.3", "“1.2.3” is not an IP address"),
        ("license list --standing gone", "must be one of: active, suspended, cancelled, expired"),
        ("license list --limit 0", "--limit “0” must be a number above 0"),
        ("license list --limit 5 --all", "--limit and --all cannot be combined"),
        ("license list --cursor x", "--cursor “x” must be the one that the previous list ended with"),
        ("license list --server-ip x", "“x” is not an IP address"),
        ("license list --expires-before soon", "“soon” is not a date"),
        ("license renew 7", "either --until or --add is needed"),
        ("license renew 7 --until never --add P1M", "either --until or --add is needed"),
        ("license renew 7 --until never --basis now", "--basis needs --add"),
        ("license renew 7 --add 1M", "must be a period such as P1M"),
        ("license renew 7 --add P1M --basis then", "must be expiry, now or now_if_expired"),
        ("license set-billing 7 --status paid", "--status “paid” must be active"),
        ("license set-billing 7 --status none --cancel-at-period-end", "--status none"),
        ("plan set x --title X --max-accounts -1 --max-servers 1", "from 0 to 4294967295"),
        ("plan set x --title X --max-accounts 4294967296 --max-servers 1", "from 0 to 4294967295"),
        ("webhook add", "missing operand URL"),
        ("webhook add https://x.example --events license.creatd", "“license.creatd” is no type of event"),
        ("webhook add https://x.example --events webhook.test", "“webhook.test” is no type of event"),
        ("webhook show 0", "“0” is not the number of a webhook"),
        ("webhook show x", "“x” is not the number of a webhook"),
        ("init --json", "init has no option --json"),
        ("serve now", "unexpected argument “now”"),
    ];
    for (line, expected) in table {
        let arguments: Vec<&str> = line.split(' ').filter(|argument| !argument.is_empty()).collect();
        let sentence = parsed(&arguments).unwrap_err();
        assert!(sentence.contains(expected), "{line}: {sentence}");
        assert!(sentence.contains("Usage: ") || sentence.contains("--help"), "{line}: {sentence}");
    }
}
