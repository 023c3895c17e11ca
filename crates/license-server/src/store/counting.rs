//! The limit up to which active servers are counted: an unlimited license can have hundreds of thousands, and no page
//! should wait for the exact number.

/// Servers that are counted in any case.
const MIN_CAP: u32 = 1000;

/// The number at which counting stops for a plan that allows `allowed` servers: one more than is displayed.
pub fn count_cap(allowed: u32) -> u32 {
    allowed.max(MIN_CAP).saturating_add(1)
}

/// A count up to [`count_cap`], as text.
pub fn format_count(active: u32, allowed: u32) -> String {
    let displayed = allowed.max(MIN_CAP);
    if active > displayed { format!("{displayed}+") } else { active.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact_up_to_the_limit_of_the_plan_or_a_thousand() {
        let table = [
            (0, 1, "0"),
            (1, 1, "1"),
            (1000, 1, "1000"),
            (1001, 1, "1000+"),
            (1001, 0, "1000+"),
            (1001, 5000, "1001"),
            (5000, 5000, "5000"),
            (5001, 5000, "5000+"),
            (u32::MAX, u32::MAX, "4294967295"),
        ];
        for (active, allowed, expected) in table {
            assert!(active <= count_cap(allowed) && count_cap(allowed) >= allowed);
            assert_eq!(format_count(active, allowed), expected, "{active} of {allowed}");
        }
    }
}
