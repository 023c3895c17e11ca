//! When a failed delivery is attempted again.

use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

/// The waits after the first failure, the second, and so on, in seconds: three days in all. What is still not delivered
/// after the last wait is given up.
const WAITS: [u32; 14] = [10, 30, 120, 600, 1800, 3600, 7200, 14_400, 21_600, 28_800, 36_000, 43_200, 50_400, 50_400];

/// The part of a wait by which it is longer or shorter at random, so that what failed together does not come back
/// together: a tenth.
const JITTER: u32 = 10;

/// The wait after the failure with this number, from 1; `None` if the delivery is given up. `chance` is a random number.
pub fn wait(failures: u32, chance: u32) -> Option<Duration> {
    let index = usize::try_from(failures.saturating_sub(1)).ok()?;
    let seconds = *WAITS.get(index)?;
    let spread = seconds / JITTER;
    let offset = chance.checked_rem(spread.saturating_mul(2).saturating_add(1)).unwrap_or(0);
    Some(Duration::from_secs(u64::from(seconds.saturating_sub(spread).saturating_add(offset))))
}

/// A random number.
pub fn chance() -> u32 {
    let mut bytes = [0; 4];
    let _ = SystemRandom::new().fill(&mut bytes);
    u32::from_ne_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_attempted_for_three_days_with_growing_waits() {
        for chance in [0, 1, 12_345, u32::MAX] {
            let waits: Vec<Duration> = (1..).map_while(|failures| wait(failures, chance)).collect();
            assert_eq!(waits.len(), WAITS.len());
            assert!(waits.windows(2).take(12).all(|pair| pair[0] < pair[1]), "{waits:?}");
            let days = waits.iter().sum::<Duration>().as_secs_f64() / 86_400.0;
            assert!((2.65..3.3).contains(&days), "{days} days");
        }
    }

    #[test]
    fn waits_differ_by_chance_within_a_tenth() {
        let mut found: Vec<u64> = (0..1000).filter_map(|chance| wait(4, chance)).map(|wait| wait.as_secs()).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!((found.first(), found.last(), found.len()), (Some(&540), Some(&660), 121));
    }
}
