//! Numbers as the Panel shows them: rounded to two decimals.

/// Rounds to two decimals.
pub fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// `part` as a percentage of `whole`; zero if `whole` is zero.
pub fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { rounded(part as f64 * 100.0 / whole as f64) }
}

/// Bytes in MB, as the Panel counts them (1024 × 1024).
pub fn megabytes(bytes: u64) -> f64 {
    rounded(bytes as f64 / (1024.0 * 1024.0))
}

/// Bytes in GB.
pub fn gigabytes(bytes: u64) -> f64 {
    rounded(bytes as f64 / (1024.0 * 1024.0 * 1024.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_and_zero_does_not_divide() {
        assert_eq!((percent(1, 3), percent(5, 5), percent(7, 0)), (33.33, 100.0, 0.0));
        assert_eq!((megabytes(0), megabytes(1_572_864), megabytes(1)), (0.0, 1.5, 0.0));
        assert_eq!(gigabytes(5 << 30), 5.0);
    }
}
