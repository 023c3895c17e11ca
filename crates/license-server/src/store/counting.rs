//! How far active servers are counted: without a limit a license may have hundreds of thousands, and nobody who is told
//! of them wants to wait for the exact number.

/// Servers that are counted whatever the plan allows.
const COUNTED: u32 = 1000;

/// Up to where to count them for a plan that allows `allowed`: one more than is told.
pub fn count_cap(allowed: u32) -> u32 {
    allowed.max(COUNTED).saturating_add(1)
}

/// What came of counting up to [`count_cap`], in words.
pub fn format_count(active: u32, allowed: u32) -> String {
    let told = allowed.max(COUNTED);
    if active > told { format!("{told}+") } else { active.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_up_to_what_the_plan_allows_and_a_thousand() {
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
