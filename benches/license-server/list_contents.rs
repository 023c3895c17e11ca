//! The contents of the database for lists: licenses with different standings, labels, references, owners and servers.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

use opterius_base::clock::{Clock, SystemClock, Timestamp};
use opterius_license_server::model::{Details, Status};
use opterius_license_server::store::{Database, Error, Heartbeat, WriteTransaction};

use crate::failure::{During, Failure};
use crate::template::Copy;

/// Licenses that change in one transaction.
const BATCH: u32 = 50_000;

/// The licenses with very many servers, and how many.
const CROWDED: u32 = 50;
const CROWD: u16 = 330;

/// The owner of a tenth of the licenses, and which these are.
pub(crate) const RESELLER: &str = "reseller";
const RESOLD: RangeInclusive<u32> = 200_001..=300_000;

/// The address and host name that a server of every unlimited license in this range has and no newer one: a NAT, and a host
/// name that installers set.
pub(crate) const SHARED_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 19, 0, 1));
pub(crate) const SHARED_HOSTNAME: &str = "localhost.localdomain";
const SHARING: RangeInclusive<u32> = 1..=500_000;

/// Gives the licenses different standings, labels, references and check-ins.
pub(crate) fn prepare(copy: &Copy) -> Result<(), Failure> {
    let (mut database, now) = (copy.open()?, SystemClock.wall());
    let reseller = database
        .change(now, |transaction| transaction.insert_user(RESELLER, "no password", false))
        .during("add an owner")?;
    for first in (1..=copy.licenses).step_by(BATCH as usize) {
        let licenses = first..(first + BATCH).min(copy.licenses + 1);
        database
            .change(now, |transaction| {
                licenses.into_iter().try_for_each(|license| change(transaction, license, reseller, now))
            })
            .during("change the licenses")?;
    }
    crowd(&mut database, now)?;
    drop(database);
    copy.leave_clean()
}

fn change(transaction: &WriteTransaction<'_>, number: u32, reseller: i64, now: Timestamp) -> Result<(), Error> {
    let Some(mut license) = transaction.license(i64::from(number))? else { return Ok(()) };
    license.status = match number % 1000 {
        0 => Status::Cancelled,
        1..=100 => Status::Suspended,
        _ => Status::Active,
    };
    let days = Duration::from_secs(u64::from(number % 700) * 86_400);
    license.expires_at = match number % 5 {
        0 => Some(now.minus(days)),
        1 | 2 => Some(now.plus(days)),
        _ => None,
    };
    license.is_trial = number % 20 == 3;
    license.reference = Some(format!("order-{number}"));
    license.labels = match number {
        1..=100 => vec!["gold".to_owned()],
        number if number % 100 == 7 => vec!["vip".to_owned()],
        _ => Vec::new(),
    };
    // The plan allows fewer servers than are active.
    if number % 10_000 == 2 {
        license.plan = transaction.plans()?.into_iter().find(|plan| plan.slug == "free").unwrap_or(license.plan);
    }
    if RESOLD.contains(&number) {
        license.owner = reseller;
    }
    if SHARING.contains(&number) && license.plan.max_servers == 0 {
        let details = Details { hostname: Some(SHARED_HOSTNAME.to_owned()), ..Details::default() };
        add_server(transaction, number, 20_000_000 + i64::from(number), SHARED_ADDRESS, &details)?;
    }
    transaction.update_license(&license)
}

fn add_server(
    transaction: &WriteTransaction<'_>,
    license: u32,
    sequence: i64,
    ip: IpAddr,
    details: &Details,
) -> Result<(), Error> {
    let heartbeat = Heartbeat { ip, observed_ip: ip, reported_ip: None, details };
    transaction.put_activation(i64::from(license), sequence, &heartbeat)
}

/// Adds very many servers to some licenses without a limit.
fn crowd(database: &mut Database, now: Timestamp) -> Result<(), Failure> {
    for index in 0..CROWDED {
        let add = |transaction: &WriteTransaction<'_>| {
            for server in 0..CROWD {
                let [high, low] = server.to_be_bytes();
                let details = Details { hostname: Some(format!("crowd-{index}-{server}")), ..Details::default() };
                let sequence = 10_000_000 + i64::from(index * 1000) + i64::from(server);
                add_server(transaction, index * 10 + 4, sequence, [198, 18, high, low].into(), &details)?;
            }
            Ok::<_, Error>(())
        };
        database.change(now, add).during("add servers")?;
    }
    Ok(())
}
