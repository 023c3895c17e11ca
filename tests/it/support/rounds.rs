//! How long the loops of faults are.

use std::time::Duration;

/// The longest that a fault is made to last.
const LONGEST: Duration = Duration::from_secs(60);

/// How many times longer than usual the loops are: `OPTERIUS_TEST_ROUNDS` in the environment, or 1.
pub fn factor() -> u32 {
    match std::env::var("OPTERIUS_TEST_ROUNDS") {
        Err(_) => 1,
        Ok(text) => match text.parse() {
            Ok(factor) if factor > 0 => factor,
            _ => panic!("OPTERIUS_TEST_ROUNDS is a number from 1, not {text}"),
        },
    }
}

/// A time that grows with the loops, up to a minute.
pub fn longer(time: Duration) -> Duration {
    (time * factor()).min(LONGEST.max(time))
}
