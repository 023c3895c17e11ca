//! Detection of misspelled keys, which must not be ignored like unknown ones.

/// The key in `vital` that `key` probably misspells, with an edit distance of up to two. A key is vital if the daemon would
/// run with the wrong settings without it; a misspelling of any other key is harmless and only gets a warning.
pub fn near_miss(key: &str, vital: &[&'static str]) -> Option<&'static str> {
    let plain = |text: &str| -> String {
        text.to_lowercase().chars().map(|letter| if matches!(letter, '-' | ' ' | '.') { '_' } else { letter }).collect()
    };
    let key = plain(key);
    let distances = vital.iter().map(|name| (distance(&key, &plain(name)), *name));
    distances.filter(|(distance, _)| *distance <= 2).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// The Levenshtein distance: the number of letters to insert, delete or replace.
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
    fn the_nearest_key_is_suggested() {
        let known = ["create", "show", "set-plan", "renew"];
        for (typed, meant) in
            [("creat", Some("create")), ("set_plan", Some("set-plan")), ("shw", Some("show")), ("x", None)]
        {
            assert_eq!(near_miss(typed, &known), meant);
        }
        assert_eq!(near_miss("lists", &["lost", "list"]), Some("list"));
    }

    #[test]
    fn distances_are_levenshtein_distances() {
        for (from, to, expected) in [("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("same", "same", 0)] {
            assert_eq!(distance(from, to), expected);
        }
    }
}
