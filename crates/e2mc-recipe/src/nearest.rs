//! The name that was probably meant.

/// The candidate that is closest to `name` in letters that differ, are missing, too many or
/// swapped; none if all are further than a third of the name. A candidate's last word after a
/// dot is enough where `name` has no dots.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let dotted = name.contains('.');
    let distance = |candidate: &str| {
        let whole = strsim::damerau_levenshtein(name, candidate);
        match candidate.rsplit_once('.') {
            Some((_, last)) if !dotted => whole.min(strsim::damerau_levenshtein(name, last)),
            _ => whole,
        }
    };
    let most = (name.chars().count() / 3).max(2);
    let known = candidates.into_iter();
    let near = known.map(|candidate| (distance(candidate), candidate));
    let near = near.filter(|(distance, _)| *distance <= most);
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_of_the_pen_are_understood() {
        let names = ["vicreg-small", "swav-small", "simsiam-small"];
        assert_eq!(nearest("vicreg-smal", names), Some("vicreg-small"));
        assert_eq!(nearest("swva-small", names), Some("swav-small"));
        assert_eq!(nearest("byol", names), None);
        let keys = ["training.batch", "criterion.beta"];
        assert_eq!(nearest("training.bacth", keys), Some("training.batch"));
        assert_eq!(nearest("beta", keys), Some("criterion.beta"));
        assert_eq!(nearest("criterion.bta", keys), Some("criterion.beta"));
    }
}
