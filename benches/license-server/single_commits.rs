//! The gain of combined commits: verifications with one commit each, called in process without HTTP and signatures.

use std::time::{Duration, Instant};

use opterius_base::clock::{Clock, SystemClock};
use opterius_license_server::rules::{self, Decision, Inquiry};
use opterius_license_server::store::Error;

use crate::contents;
use crate::failure::{During, Failure};
use crate::load::Target;
use crate::random::Random;
use crate::template::Copy;

pub(crate) fn commits_per_second(copy: &Copy, seconds: u32) -> Result<f64, Failure> {
    let mut database = copy.open()?;
    let mut random = Random::new(3);
    let (begin, mut count) = (Instant::now(), 0);
    while begin.elapsed() < Duration::from_secs(u64::from(seconds)) {
        let target = Target::known(copy.licenses, &mut random);
        let key = contents::key(target.license);
        let details = target.details();
        let inquiry =
            Inquiry { observed_ip: target.address, reported_ip: Some(target.address), ip: target.address, details };
        let decision = database.change(SystemClock.wall(), |transaction| match transaction.license_by_key(&key)? {
            Some(license) => rules::verify(transaction, &license, &inquiry),
            None => Err(Error::Failed("a license is missing".to_owned())),
        });
        if decision.during("verify in process")? != Decision::Granted {
            return Err(Failure::new("a license was denied in the in-process run"));
        }
        count += 1;
    }
    Ok(f64::from(count) / begin.elapsed().as_secs_f64())
}
