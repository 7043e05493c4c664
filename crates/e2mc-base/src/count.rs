//! Numbers of things in sentences.

use std::fmt::Display;

/// A number with what it counts: `1 epoch`, `2 epochs`, `0 classes`. `one` is the word for a single
/// one, of which the plural is regular.
pub fn counted(count: impl Display + TryInto<u64> + Copy, one: &str) -> String {
    if count.try_into().is_ok_and(|count| count == 1) {
        return format!("{count} {one}");
    }
    let consonant_y = |word: &str| {
        let mut last = word.chars().rev();
        last.next() == Some('y') && !last.next().is_some_and(|c| "aeiou".contains(c))
    };
    if consonant_y(one) {
        return format!("{count} {}ies", &one[..one.len() - 1]);
    }
    let ending = match ["s", "x", "ch", "sh"].iter().any(|end| one.ends_with(end)) {
        // The ch of "epoch" is spoken as k.
        true if !one.ends_with("epoch") => "es",
        _ => "s",
    };
    format!("{count} {one}{ending}")
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn one_is_singular_and_all_others_are_plural() {
        assert_eq!(counted(1, "epoch"), "1 epoch");
        assert_eq!(counted(2_u64, "epoch"), "2 epochs");
        assert_eq!(counted(0_usize, "class"), "0 classes");
        assert_eq!(counted(3, "batch"), "3 batches");
        assert_eq!(counted(2, "category"), "2 categories");
        assert_eq!(counted(1, "held-out image"), "1 held-out image");
    }
}
