//! Numbers of things and of seconds in sentences.

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

/// Seconds as a person would say them: `4 s`, `1 min 04 s`, `1 h 02 min`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::{counted, duration};

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(4.4), "4 s");
        assert_eq!(duration(64.0), "1 min 04 s");
        assert_eq!(duration(3725.0), "1 h 02 min");
    }

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
