//! A slip of the finger in a key, which must not pass for a key that we do not know.

/// The key of `vital` that was meant by a slip of up to two letters. Vital are those without which the daemon would run,
/// but wrongly: of all others a slip is told and does no harm.
pub fn near_miss(key: &str, vital: &[&'static str]) -> Option<&'static str> {
    let key: String =
        key.to_lowercase().chars().map(|letter| if matches!(letter, '-' | ' ' | '.') { '_' } else { letter }).collect();
    vital.iter().copied().find(|name| distance(&key, name) <= 2)
}

/// Levenshtein's distance: letters to insert, delete or replace.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index.saturating_add(1);
        let mut next = vec![left];
        for (other, above) in to.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal.saturating_add(usize::from(*other != letter));
            left = replaced.min(left.saturating_add(1)).min(above.saturating_add(1));
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshteins() {
        for (from, to, expected) in [("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("same", "same", 0)] {
            assert_eq!(distance(from, to), expected);
        }
    }
}
