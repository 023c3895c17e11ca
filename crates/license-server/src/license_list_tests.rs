use super::*;
use crate::model::{Details, Standing, Status};
use crate::store::tests::Scratch;
use crate::store::{Heartbeat, LicenseUsage, NewLicense};
use opterius_base::secret::Secret;
use std::net::IpAddr;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

fn in_days(days: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(days * 86_400))
}

/// A license of a small or a large vendor, as a function of its number.
struct Sample {
    id: i64,
    owner: &'static str,
    plan: &'static str,
    status: Status,
    expires_at: Option<Timestamp>,
    is_trial: bool,
    label: Option<&'static str>,
    servers: u8,
}

const OWNERS: [&str; 3] = ["anna", "bert", "Carl"];

fn sample(id: i64) -> Sample {
    let pick = |count: i64, salt: i64| (id * 7919 + salt * 104_729) / 13 % count;
    let plan = ["free", "starter", "business"][usize::try_from(pick(3, 1)).unwrap()];
    Sample {
        id,
        owner: OWNERS[usize::try_from(pick(3, 2)).unwrap()],
        plan,
        status: [Status::Active, Status::Active, Status::Suspended, Status::Cancelled]
            [usize::try_from(pick(4, 3)).unwrap()],
        expires_at: match pick(4, 4) {
            0 => None,
            1 => Some(NOW.minus(Duration::from_secs(86_400 * pick(50, 5).unsigned_abs()))),
            _ => Some(in_days(pick(90, 5).unsigned_abs() + 1)),
        },
        is_trial: pick(5, 6) == 0,
        label: [None, None, Some("vip"), Some("gold")][usize::try_from(pick(4, 7)).unwrap()],
        // A free license has room for one.
        servers: u8::try_from(pick(3, 8)).unwrap(),
    }
}

fn key(id: i64) -> String {
    let letters: String = format!("{id:08}").bytes().map(|digit| char::from(digit - b'0' + b'A')).collect();
    format!("{letters}-BBBBBBBB-CCCCCCCC-DDDDDDDD")
}

fn fill(scratch: &mut Scratch, count: i64) {
    scratch.change(NOW, |transaction| {
        let owners: Vec<i64> =
            OWNERS.iter().map(|name| transaction.insert_user(name, "hash", false)).collect::<Result<_, _>>()?;
        for sample in (1..=count).map(sample) {
            let key = Secret::new(key(sample.id));
            let reference = format!("order-{}", sample.id);
            let owner = owners[OWNERS.iter().position(|name| *name == sample.owner).unwrap()];
            let id = transaction.insert_license(&NewLicense {
                key: &key,
                owner,
                plan: sample.plan,
                expires_at: sample.expires_at,
                locked_ip: (sample.id == 7).then(|| "198.51.100.7".parse().unwrap()),
                reference: Some(&reference),
                note: "",
                is_trial: sample.is_trial,
                labels: &[],
            })?;
            assert_eq!(id, sample.id);
            for server in 0..sample.servers {
                activate(transaction, id, server)?;
            }
            let mut license = transaction.license(id)?.unwrap();
            license.status = sample.status;
            license.labels = sample.label.iter().map(|label| (*label).to_owned()).collect();
            transaction.update_license(&license)?;
        }
        Ok::<_, Error>(())
    });
}

fn activate(transaction: &crate::store::WriteTransaction<'_>, id: i64, server: u8) -> Result<(), Error> {
    let ip = IpAddr::from([10, server, (id / 256) as u8, (id % 256) as u8]);
    let details = Details { hostname: Some(format!("Web-{id}.example.com")), ..Details::default() };
    let heartbeat = Heartbeat { ip, observed_ip: ip, reported_ip: None, details: &details };
    transaction.put_activation(id, id * 10 + i64::from(server), &heartbeat)
}

/// The numbers of all licenses of the list, read in pages of `count`.
fn list(scratch: &mut Scratch, filter: &Filter, count: u32) -> Vec<i64> {
    let mut filter = filter.clone();
    let mut ids = Vec::new();
    loop {
        let page = scratch.read(|transaction| transaction.licenses(&filter, count, NOW));
        assert!(page.licenses.len() <= count as usize);
        ids.extend(page.licenses.iter().map(|listed| listed.license.id));
        let Some(next) = page.next else { return ids };
        filter.after = Some(Cursor::parse(&next.to_string(), filter.sort).unwrap());
    }
}

/// The numbers of the samples that pass, by this order.
fn expected<K: Ord>(count: i64, passes: impl Fn(&Sample) -> bool, order: impl Fn(&Sample) -> K) -> Vec<i64> {
    let mut samples: Vec<Sample> = (1..=count).map(sample).filter(passes).collect();
    samples.sort_by_key(|sample| order(sample));
    samples.iter().map(|sample| sample.id).collect()
}

fn standing(sample: &Sample) -> Standing {
    match sample.status {
        Status::Active if sample.expires_at.is_some_and(|end| end <= NOW) => Standing::Expired,
        Status::Active => Standing::Active,
        Status::Suspended => Standing::Suspended,
        Status::Cancelled => Standing::Cancelled,
    }
}

fn allowed(sample: &Sample) -> u8 {
    if sample.plan == "business" { 5 } else { 1 }
}

fn end(sample: &Sample) -> i64 {
    sample.expires_at.map_or(i64::MAX, Timestamp::unix)
}

/// Compares every filter, alone and with others, in every order, with the same on the samples.
fn every_filter_in_every_order(count: i64, page: u32) {
    let mut scratch = Scratch::new();
    fill(&mut scratch, count);
    let anna = scratch.read(|transaction| transaction.user("anna")).unwrap().0.id;
    type Passes = Box<dyn Fn(&Sample) -> bool>;
    let everything = Filter::default();
    let mut filters: Vec<(Filter, Passes)> = vec![
        (everything.clone(), Box::new(|_| true)),
        (Filter { owner: Some(anna), ..everything.clone() }, Box::new(|sample| sample.owner == "anna")),
        (Filter { reference: Some("order-12".to_owned()), ..everything.clone() }, Box::new(|sample| sample.id == 12)),
        (Filter { plan: Some("free".to_owned()), ..everything.clone() }, Box::new(|sample| sample.plan == "free")),
        (
            Filter { expires_after: Some(NOW), expires_before: Some(in_days(30)), ..everything.clone() },
            Box::new(|sample| end(sample) > NOW.unix() && end(sample) <= in_days(30).unix()),
        ),
        (
            Filter { expires_before: Some(in_days(30)), ..everything.clone() },
            Box::new(|sample| end(sample) <= in_days(30).unix()),
        ),
        (Filter { over_limit: true, ..everything.clone() }, Box::new(|sample| sample.servers > allowed(sample))),
        (Filter { never_used: true, ..everything.clone() }, Box::new(|sample| sample.servers == 0)),
        (Filter { trial: true, ..everything.clone() }, Box::new(|sample| sample.is_trial)),
        (
            Filter { label: Some("vip".to_owned()), ..everything.clone() },
            Box::new(|sample| sample.label == Some("vip")),
        ),
        (
            Filter { server_ip: Some("10.0.0.9".parse().unwrap()), ..everything.clone() },
            Box::new(|sample| sample.id == 9 && sample.servers > 0),
        ),
        (
            Filter { server_ip: Some("198.51.100.7".parse().unwrap()), ..everything.clone() },
            Box::new(|sample| sample.id == 7),
        ),
        (
            Filter { hostname: Some("WEB-9.example.com".to_owned()), ..everything.clone() },
            Box::new(|sample| sample.id == 9 && sample.servers > 0),
        ),
        (
            Filter {
                plan: Some("free".to_owned()),
                standing: Some(Standing::Suspended),
                never_used: true,
                trial: true,
                ..everything.clone()
            },
            Box::new(|sample| {
                sample.plan == "free" && sample.status == Status::Suspended && sample.servers == 0 && sample.is_trial
            }),
        ),
    ];
    for asked in Standing::ALL {
        filters.push((
            Filter { standing: Some(*asked), ..everything.clone() },
            Box::new(|sample| standing(sample) == *asked),
        ));
    }
    for (filter, passes) in &filters {
        let mut check = |sort: Sort, expected: Vec<i64>| {
            let filter = Filter { sort, ..filter.clone() };
            assert_eq!(list(&mut scratch, &filter, page), expected, "{filter:?}");
        };
        check(Sort::Newest, expected(count, passes, |sample| -sample.id));
        check(Sort::Oldest, expected(count, passes, |sample| sample.id));
        check(Sort::Expiry, expected(count, passes, |sample| (end(sample), sample.id)));
        check(Sort::LatestExpiry, expected(count, passes, |sample| (-end(sample), -sample.id)));
        check(Sort::Owner, expected(count, passes, |sample| (sample.owner.to_lowercase(), sample.id)));
        check(Sort::LastCheck, expected(count, passes, |sample| (sample.servers == 0, -sample.id)));
        check(Sort::OldestCheck, expected(count, passes, |sample| (sample.servers > 0, sample.id)));
    }
}

#[test]
fn every_filter_lists_the_same_licenses_in_every_order() {
    every_filter_in_every_order(60, 7);
}

/// With more licenses than are sorted at once, an index in the order of the list is read instead, in pages that end early.
#[test]
fn a_long_list_is_read_from_an_index() {
    every_filter_in_every_order(400, 30);
}

#[test]
fn a_search_finds_what_support_is_told() {
    let mut scratch = Scratch::new();
    fill(&mut scratch, 60);
    let anna = scratch.read(|transaction| transaction.user("anna")).unwrap().0.id;
    scratch.change(NOW, |transaction| {
        // The reference of another license is a license number too.
        let mut license = transaction.license(40)?.unwrap();
        license.reference = Some("12".to_owned());
        transaction.update_license(&license)
    });
    for sort in Sort::ALL {
        let filter = Filter { search: Some("12".to_owned()), sort: *sort, ..Filter::default() };
        assert_eq!(list(&mut scratch, &filter, 1), [12, 40], "the exact number is on a page of its own, too: {sort:?}");
    }
    let mut find = |text: &str, owner: Option<i64>| {
        let filter = Filter { search: Some(text.to_owned()), owner, ..Filter::default() };
        list(&mut scratch, &filter, 5)
    };
    let number_12 = sample(12);
    for text in ["12", " #12 ", "License 12"] {
        assert_eq!(find(text, None).first(), Some(&12), "{text}");
    }
    assert_eq!(find("12", None), [12, 40], "the exact number comes first");
    for text in [key(12), key(12).to_lowercase(), key(12).replace('-', ""), key(12)[..12].replace('-', " ")] {
        assert_eq!(find(&text, None), [12], "{text}");
    }
    assert_eq!(find("order-13", None), [13]);
    let of = |owner: &'static str| expected(60, move |sample| sample.owner == owner, |sample| -sample.id);
    for text in ["anna", "ANNA", "an"] {
        assert_eq!(find(text, None), of("anna"), "{text}");
    }
    let used = expected(60, |sample| sample.servers > 0, |sample| sample.id);
    let some = used[3];
    let second = format!("10.0.0.{some}");
    for text in [second.as_str(), &format!("::ffff:{second}"), &format!("web-{some}.EXAMPLE"), &format!("WEB-{some}.")]
    {
        assert_eq!(find(text, None), [some], "{text}");
    }
    assert_eq!(find("198.51.100.7", None), [7], "the address of a lock");
    let own = find("web-", Some(anna));
    assert_eq!(own, expected(60, |sample| sample.owner == "anna" && sample.servers > 0, |sample| -sample.id));
    assert_eq!(find("12", Some(anna)).contains(&12), number_12.owner == "anna");
    for text in ["%", "' OR 1=1 --", "nothing", "order_13", "99", "-1", "\u{0}"] {
        assert_eq!(find(text, None), [] as [i64; 0], "{text}");
    }
}

#[test]
fn a_license_is_over_its_limit_as_long_as_it_is() {
    let mut scratch = Scratch::new();
    let over = Filter { over_limit: true, ..Filter::default() };
    scratch.change(NOW, |transaction| {
        let anna = transaction.insert_user("anna", "hash", false)?;
        let key = Secret::new(key(1));
        transaction.insert_license(&NewLicense::plain(&key, anna, "business"))?;
        (0..3).try_for_each(|server| activate(transaction, 1, server))
    });
    assert_eq!(list(&mut scratch, &over, 5), [] as [i64; 0]);
    scratch.change(NOW, |transaction| {
        let mut business = transaction.plans()?.into_iter().find(|plan| plan.slug == "business").unwrap();
        business.max_servers = 2;
        transaction.put_plan(&business)
    });
    assert_eq!(list(&mut scratch, &over, 5), [1]);
    scratch.change(NOW, |transaction| transaction.delete_activation(1, "10.1.0.1".parse().unwrap()));
    assert_eq!(list(&mut scratch, &over, 5), [] as [i64; 0], "without another change of the license");
    let outdated = scratch.read(|transaction| transaction.outdated_usage(0, 100, NOW)).found;
    assert_eq!(outdated, [LicenseUsage { license: 1, last_check_at: NOW, over_limit: false }]);
}

#[test]
fn a_later_check_in_is_shown_after_garbage_collection() {
    let mut scratch = Scratch::new();
    fill(&mut scratch, 30);
    let used = expected(30, |sample| sample.servers > 0, |sample| sample.id)[0];
    let later = in_days(2);
    scratch.change(later, |transaction| {
        let ip = IpAddr::from([10, 0, 0, used as u8]);
        let details = Details::default();
        let heartbeat = Heartbeat { ip, observed_ip: ip, reported_ip: None, details: &details };
        let own = transaction.record(used, &heartbeat, later)?.own.unwrap();
        transaction.refresh_activation(used, &heartbeat, &own)
    });
    let outdated = scratch.read(|transaction| transaction.outdated_usage(0, 100, later)).found;
    let expected_usage = |over_limit| LicenseUsage { license: used, last_check_at: later, over_limit };
    let over = sample(used).servers > allowed(&sample(used));
    assert_eq!(outdated, [expected_usage(over)], "only what is not up to date");
    scratch.change(later, |transaction| transaction.put_usage(&outdated[0]));
    assert_eq!(scratch.read(|transaction| transaction.outdated_usage(0, 100, later)).found, []);
    let filter = Filter { sort: Sort::LastCheck, ..Filter::default() };
    assert_eq!(list(&mut scratch, &filter, 30)[0], used);
}

#[test]
fn an_address_and_a_host_name_that_very_many_licenses_share_are_found_by_number() {
    let mut scratch = Scratch::new();
    fill(&mut scratch, 200);
    let shares = |sample: &Sample| sample.id % 5 < 3;
    let (ip, other) = (IpAddr::from([198, 51, 100, 9]), IpAddr::from([198, 51, 100, 10]));
    scratch.change(NOW, |transaction| {
        for sample in (1..=200).map(sample).filter(shares) {
            // Two servers with the name on the license, one of them at the address; or the license is locked to it.
            for (server, ip) in [ip, other].into_iter().enumerate().skip(usize::from(sample.id % 5 == 0)) {
                let details = Details { hostname: Some("localhost".to_owned()), ..Details::default() };
                let heartbeat = Heartbeat { ip, observed_ip: ip, reported_ip: None, details: &details };
                transaction.put_activation(sample.id, 10_000 + sample.id * 2 + server as i64, &heartbeat)?;
            }
            let mut license = transaction.license(sample.id)?.unwrap();
            license.locked_ip = (sample.id % 5 == 0).then_some(ip);
            transaction.update_license(&license)?;
        }
        Ok::<_, Error>(())
    });
    let by_address = Filter { server_ip: Some(ip), ..Filter::default() };
    let by_hostname = Filter { hostname: Some("LOCALHOST".to_owned()), ..Filter::default() };
    for filter in [by_address, by_hostname] {
        let suspended = Filter { standing: Some(Standing::Suspended), ..filter.clone() };
        let few = Filter { reference: Some("order-11".to_owned()), ..filter.clone() };
        assert_eq!(list(&mut scratch, &few, 7), [11]);
        let few = Filter { reference: Some("order-13".to_owned()), ..filter.clone() };
        assert_eq!(list(&mut scratch, &few, 7), [] as [i64; 0], "another license");
        let is_suspended = |sample: &Sample| shares(sample) && sample.status == Status::Suspended;
        for count in [1, 7, 1000] {
            let newest = |filter: &Filter| Filter { sort: Sort::Newest, ..filter.clone() };
            let oldest = |filter: &Filter| Filter { sort: Sort::Oldest, ..filter.clone() };
            assert_eq!(list(&mut scratch, &newest(&filter), count), expected(200, shares, |sample| -sample.id));
            assert_eq!(list(&mut scratch, &oldest(&filter), count), expected(200, shares, |sample| sample.id));
            let found = list(&mut scratch, &newest(&suspended), count);
            assert_eq!(found, expected(200, is_suspended, |sample| -sample.id));
        }
        let by_expiry = Filter { sort: Sort::Expiry, ..filter.clone() };
        assert_eq!(list(&mut scratch, &by_expiry, 7), expected(200, shares, |sample| (end(sample), sample.id)));
    }
}
